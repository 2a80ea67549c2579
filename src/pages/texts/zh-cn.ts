import type { PageTexts } from './page-texts.ts'
import { faultsInChinese } from './faults-zh-cn.ts'
import { refusalsInChinese } from './refusals-zh-cn.ts'

export const chinese: PageTexts = {
  languageSwitch: '语言',
  support: { heading: '寻求支持时请提供', code: '支持代码', reason: '原因', time: '时间' },
  actions: { tryAgain: '重试', signIn: '前往登录页', signInAgain: '重新登录', openApplication: '打开应用', cancel: '取消', renew: '前往云商店续费' },
  whatToDo: '现在该怎么办',
  retryIn: (seconds) => `请在约 ${seconds} 秒后重试。`,
  signIn: {
    title: (application) => `登录 ${application}`,
    button: '使用云商店联营账号登录',
    account: '请使用企业管理员发给您的联营账号，形如“账户@企业域名”。',
    handOver: (application) => `您将在云商店的登录页面输入密码，${application} 不会看到您的密码。`,
    trouble: '登录遇到问题？',
    limits: [
      '云商店登录页不支持 Chrome 无痕模式，请使用普通窗口。',
      '登录页需要第三方 Cookie。如果被要求登录两次，请允许 huaweicloud.com 使用 Cookie。',
      '使用 Firefox 时，请在“设置 → 隐私与安全 → 自定义”中取消勾选“Cookie”。',
      '在其他 App 内打开时，其内置浏览器须允许 Cookie；如不确定，请改用系统浏览器打开本页。',
    ],
    notices: {
      'cookie-ambiguous': '浏览器发来了两个同名的登录 Cookie，为安全起见均未采用。请重新登录；如再次出现，请清除本站的 Cookie。',
      'session-unknown': '您已不在登录状态，可能已在别处退出。请重新登录。',
      'session-idle': '由于长时间没有操作，您已自动退出。请重新登录。',
      'session-expired': '本次登录已达到最长时限。请重新登录。',
      'tokens-ended': '云商店已结束您的登录，例如您在那里退出或修改了密码。请重新登录。',
    },
  },
  confirm: {
    title: '以“{enterprise}”的“{name}”身份继续？',
    explanation: '这次登录不是在此浏览器的本站页面上发起的，或者此处已登录另一个账号。只有当您自己发起了登录（例如从云商店工作台进入），并且这是您的账号时，才请继续。',
    button: '继续',
    notMe: '不，这不是我',
    notMeHint: '如果选择“不”，一切保持不变。',
  },
  person: { name: '姓名', account: '账号', enterprise: '企业' },
  signOut: {
    title: (application) => `退出 ${application}？`,
    explanation: '将先结束您在本站的会话，随后浏览器会一并退出云商店。',
    button: '退出登录',
  },
  signedOut: {
    title: '您已退出登录',
    whatHappened: '您在本站的会话已结束。',
    whatToDo: '如果使用的是公用电脑，请同时关闭所有浏览器窗口。',
  },
  loopCauses: {
    'cookies-blocked': '原因：浏览器没有送回本站在登录时设置的 Cookie。本站的 Cookie 被浏览器设置、扩展程序或无痕窗口拦截了。',
    'insecure-address': '原因：本站是通过 http 打开的。浏览器只在 https 下保存登录 Cookie，因此登录状态会立即丢失。',
    'session-lost': '原因：登录已成功，但随即丢失。您的浏览器没有问题，故障在本站一侧。',
    'state-lost': '原因：贵企业的登录服务没有送回本站交给它的标记，本站因此无法确认登录是由您发起的。您的浏览器没有问题。',
  },
  refusals: refusalsInChinese,
  faults: faultsInChinese,
}
