import type { PageTexts } from './page-texts.ts'

export const refusalsInChinese: PageTexts['refusals'] = {
  'tenant-unknown': {
    title: '尚无您所在企业的信息',
    whatHappened: '云商店尚未把您所在的企业告知本应用：企业可能没有购买本应用，或者购买后尚未完成开通。',
    whatToDo: '如果刚刚购买，请等待几分钟后重试；否则请联系企业管理员，在云商店中将本应用绑定到企业。',
  },
  'tenant-closed': {
    title: '您所在的企业已停用本应用',
    whatHappened: '云商店已解除您所在企业与本应用的绑定。',
    whatToDo: '请向企业管理员确认，是否需要在云商店重新购买或绑定本应用。',
  },
  'binding-missing': {
    title: '本应用尚未为您的企业开通完毕',
    whatHappened: '已知您所在的企业，但云商店尚未下发登录所需的凭证。',
    whatToDo: '如果刚刚购买，请等待几分钟后重试；若仍然如此，请将支持代码提供给本应用的服务商。',
  },
  'account-not-authorised': {
    title: '您尚未获得本应用的授权',
    whatHappened: '您的账号有效，但还没有被授权使用本应用。',
    whatToDo: '请企业管理员在云商店的“联营服务 → 应用授权”中添加您，然后重试。',
  },
  'account-disabled': {
    title: '您的账号已被禁用',
    whatHappened: '企业管理员禁用了您的账号。',
    whatToDo: '请联系企业管理员启用账号，然后重新登录。',
  },
  'authorisation-withdrawn': {
    title: '您的访问权限已被收回',
    whatHappened: '您对本应用的授权已被取消，因此会话已经结束。',
    whatToDo: '如果这是误操作，请企业管理员在云商店中重新授权，完成后再次登录即可。',
  },
  'instance-not-ready': {
    title: '本应用正在为您的企业开通',
    whatHappened: '您所在的企业已购买本应用，服务商尚未完成开通。',
    whatToDo: '请等待几分钟后重试；若仍然如此，请将支持代码提供给本应用的服务商。',
  },
  'instance-expired': {
    title: '您所在企业的订购已到期',
    whatHappened: '企业为本应用购买的使用期限已经结束。',
    whatToDo: '请企业管理员在云商店中为本应用续费，完成后再次登录即可。',
  },
  'instance-frozen': {
    title: '您所在企业的订购已被冻结',
    whatHappened: '云商店冻结了本应用的订购，例如由于欠费。如果您此前已登录，会话已经结束。',
    whatToDo: '请企业管理员在云商店中处理该订单，解除冻结后再次登录即可。',
  },
  'instance-released': {
    title: '您所在企业的订购已终止',
    whatHappened: '由于退订或未及时续费，云商店已释放该订购，无法恢复。',
    whatToDo: '请向企业管理员确认，是否需要在云商店重新购买本应用；开通后再次登录即可。',
  },
  'choice-needed': {
    title: '请选择要继续使用的订购',
    whatHappened: '您之前使用的那份企业订购现已关闭，您还可以使用另一份订购。',
    whatToDo: '请选择要继续使用的订购。刚才提交的内容未被接收；如仍需要，请在选择后重新填写。',
  },
  'callback-malformed': {
    title: '登录链接不完整',
    whatHappened: '您打开的地址缺少云商店返回的部分内容，或其中有重复。',
    whatToDo: '请不要使用此地址的书签或复制的链接，请从登录页重新开始。',
  },
  'authorization-denied': {
    title: '云商店未完成登录',
    whatHappened: '登录已被取消，或云商店拒绝了您的账号登录。',
    whatToDo: '请重试。如果再次被拒绝，请向企业管理员咨询您的账号情况。',
  },
  'flow-unknown': {
    title: '这次登录不属于此浏览器',
    whatHappened: '登录是在另一个浏览器中发起的，或者已经使用过（例如按了“后退”）。',
    whatToDo: '请从登录页重新开始，并在同一个浏览器中完成登录。',
  },
  'flow-expired': {
    title: '登录用时过长',
    whatHappened: '为了您的安全，几分钟内没有完成的登录会失效。',
    whatToDo: '请重新登录。',
  },
  'tenant-mismatch': {
    title: '该账号属于另一家企业',
    whatHappened: '登录是为一家企业发起的，而云商店返回的是另一家企业的结果。没有登录任何账号。',
    whatToDo: '请先退出云商店，再使用正确企业的账号登录。如果您没有更换账号，请将支持代码提供给本应用的服务商。',
  },
  'code-refused': {
    title: '云商店未确认这次登录',
    whatHappened: '云商店没有接受浏览器带来的一次性授权码。授权码只在短时间内有效，且只能使用一次。',
    whatToDo: '请重新登录。如果再次失败，请将支持代码提供给本应用的服务商。',
  },
  'code-reused': {
    title: '这次登录已经使用过',
    whatHappened: '页面被再次加载，例如按了“刷新”或“后退”。一次性授权码只能使用一次。',
    whatToDo: '您可能已经登录，请直接打开应用；如果尚未登录，会提示您登录。',
  },
  'account-unnamed': {
    title: '云商店没有告知您的身份',
    whatHappened: '登录已成功，但云商店的返回中没有账号名。没有登录任何账号。',
    whatToDo: '请重新登录。如果再次失败，请将支持代码提供给本应用的服务商。',
  },
  'marketplace-unavailable': {
    title: '云商店暂时没有响应',
    whatHappened: '您所在企业的登录服务未能及时响应，登录无法完成。',
    whatToDo: '请等待一分钟后重新登录。如果问题持续，请将支持代码提供给本应用的服务商。',
  },
  'login-loop': {
    title: '登录陷入循环',
    whatHappened: '一分钟内您被多次送去登录却始终没有成功，因此在这里停下。',
    whatToDo: '请允许本站使用 Cookie，关闭无痕窗口，并通过 https 地址打开本站。如果仍然无效，请将支持代码提供给本应用的服务商。',
  },
  'confirmation-expired': {
    title: '确认已过期',
    whatHappened: '您曾被询问是否以某个账号继续，或要使用哪一份订购。答复来得太晚，或此前已经答复过。没有因此登录任何账号。',
    whatToDo: '请重新登录。',
  },
  'role-missing': {
    title: '此部分仅对其他角色开放',
    whatHappened: '您已登录，但您的角色无权打开应用的这一部分。',
    whatToDo: '如需使用，请企业管理员在云商店中为您分配相应角色，然后重新登录。',
  },
  'cross-site-request': {
    title: '请求来自其他网站',
    whatHappened: '其他网站的表单或链接，或者一个过期的页面，试图以您的名义在这里操作。没有执行任何操作。',
    whatToDo: '如果您点击的是本站页面上的按钮，请前往登录页再试一次；否则请关闭您来自的页面。',
  },
  'session-missing': {
    title: '您尚未登录',
    whatHappened: '此页面需要登录。您还没有登录，或会话已经结束。',
    whatToDo: '请登录后重复刚才的操作。',
  },
  'too-many-requests': {
    title: '请求过多',
    whatHappened: '来自您所在网络或您企业的请求超过了本站每分钟可以处理的数量。没有执行任何操作，已登录的用户仍保持登录状态。',
    whatToDo: '请等待一分钟后重试。如果仍然如此，请将支持代码提供给本应用的服务商。',
  },
}
