/* global location */
// The parameters stand behind the `#`, so no server sees them: this script reads them, as the real page's does.
const notice = document.querySelector('#notice')
const sessions = document.querySelector('#sessions')
const form = document.querySelector('#sign-on')

function readRoute () {
  const [route, query = ''] = location.hash.slice(1).split('?')
  const parameters = new URLSearchParams(query)
  return { isPortal: route === '/portal-login' && parameters.get('ind') === 'UNOP', appId: parameters.get('appId') ?? '' }
}

function say (message) {
  notice.textContent = message
  notice.hidden = message === ''
}

async function ask (path, body) {
  const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(path, init)
  return await response.json()
}

async function leave (path, body) {
  say('')
  const answer = await ask(path, body).catch(() => ({ message: '网络错误 · The simulator does not answer' }))
  // What the docs call a 302 is this assignment.
  if (answer.redirect) location.assign(answer.redirect)
  else say(answer.message)
}

function showSession (session) {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'session'
  for (const [tag, text] of [['strong', `继续以 ${session.name} 登录`], ['span', `Continue as ${session.account}`], ['small', session.enterpriseName]]) {
    button.append(Object.assign(document.createElement(tag), { textContent: text }))
  }
  button.addEventListener('click', () => leave('/unified-login/api/continue', { appId: readRoute().appId, enterprise: session.enterprise }))
  const item = document.createElement('li')
  item.append(button)
  return item
}

async function show () {
  const { isPortal, appId } = readRoute()
  const { isKnown, sessions: found } = await ask(`/unified-login/api/sessions?appId=${encodeURIComponent(appId)}`)
  const isRight = isPortal && isKnown
  say(isRight ? '' : '链接无效：# 之后需要 portal-login?ind=UNOP&appId=… · The link is not right: the parameters behind # are missing or name no application')
  form.hidden = !isRight
  sessions.hidden = !isRight || found.length === 0
  sessions.replaceChildren(...found.map(showSession))
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { account, password } = Object.fromEntries(new FormData(form))
  leave('/unified-login/api/login', { appId: readRoute().appId, account, password })
})
window.addEventListener('hashchange', show)
show()
