// A single-page application's call: without a session the gateway answers 401 and sends nobody anywhere.
document.querySelector('#ask').addEventListener('click', async () => {
  const answer = document.querySelector('#answer')
  const response = await fetch('/api/me', { headers: { accept: 'application/json' } })
  answer.textContent = `HTTP ${response.status}\n${JSON.stringify(await response.json(), null, 2)}`
  answer.hidden = false
})
