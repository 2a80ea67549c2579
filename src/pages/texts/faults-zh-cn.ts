import type { PageTexts } from './page-texts.ts'

export const faultsInChinese: PageTexts['faults'] = {
  GW_STORAGE_UNAVAILABLE: {
    title: '服务短暂中断',
    whatHappened: '登录服务暂时无法读取数据。您的登录状态没有丢失。',
    whatToDo: '请稍候片刻，然后重新加载页面。',
  },
  GW_STORAGE_MOVED: {
    title: '正在迁移，请稍候',
    whatHappened: '登录服务正在迁移数据。已登录的用户不受影响；登录和退出登录需要稍等片刻。',
    whatToDo: '请稍候片刻，然后重新加载页面。',
  },
  GW_STORAGE_CORRUPT: {
    title: '服务中断',
    whatHappened: '登录服务无法打开已保存的数据。',
    whatToDo: '请将支持代码提供给本应用的服务商。',
  },
  GW_SESSION_RENEWAL_PENDING: {
    title: '请稍候',
    whatHappened: '正在向您所在企业的认证中心续期登录，所需时间比平时长。您的登录状态没有丢失。',
    whatToDo: '请稍等片刻后重新加载页面。',
  },
  GW_UPSTREAM_UNREACHABLE: {
    title: '应用没有响应',
    whatHappened: '目前无法连接到此地址背后的应用。您的请求没有转交给应用。',
    whatToDo: '请稍候片刻，然后重新加载页面。如果问题持续，请将支持代码提供给本应用的服务商。',
  },
  GW_UPSTREAM_LOST: {
    title: '未能收到应用的答复',
    whatHappened: '与应用的连接在其答复之前中断。您的请求是否已被执行，目前无法得知。',
    whatToDo: '在重复提交订单或付款之前，请先查看是否已经成功。',
  },
  GW_UPSTREAM_TIMEOUT: {
    title: '应用响应超时',
    whatHappened: '应用没有及时响应。您的请求是否已被执行，目前无法得知。',
    whatToDo: '在重复提交订单或付款之前，请先查看是否已经成功。',
  },
  GW_REQUEST_PATH_AMBIGUOUS: {
    title: '不接受此地址',
    whatHappened: '地址中含有不同服务器会有不同理解的字符，例如编码后的斜杠。',
    whatToDo: '请检查您打开的链接，或从应用首页开始。',
  },
  GW_REQUEST_METHOD_REFUSED: {
    title: '不接受此类请求',
    whatHappened: '请求使用了不会转发给应用的方法。',
    whatToDo: '请从应用首页开始。',
  },
  GW_REQUEST_UPGRADE_REFUSED: {
    title: '不支持此类连接',
    whatHappened: '页面请求了一种不会转发给应用的长连接。',
    whatToDo: '请将支持代码提供给本应用的服务商。',
  },
  GW_REQUEST_HEADERS_TOO_LARGE: {
    title: '请求过大',
    whatHappened: '浏览器随请求发送的 Cookie 或请求头超出了可接受的大小。',
    whatToDo: '请在浏览器中删除本网站的 Cookie，然后重试。',
  },
  GW_REQUEST_INVALID: {
    title: '无法读取请求',
    whatHappened: '请求中缺少某些内容，或其格式不正确。',
    whatToDo: '请返回上一页，重新加载后再操作一次。',
  },
  GW_REQUEST_STALLED: {
    title: '请求未能送达',
    whatHappened: '请求的其余内容（例如上传的文件）没有及时到达。',
    whatToDo: '请检查网络连接。在重复提交订单或付款之前，请先查看是否已经成功。',
  },
  GW_REQUEST_NOT_FOUND: {
    title: '此处没有页面',
    whatHappened: '地址可能有误，或页面已移动。',
    whatToDo: '请检查地址，或从应用首页开始。',
  },
  GW_REQUEST_NOT_FORWARDED: {
    title: '请重新提交请求',
    whatHappened: '该请求没有转交给应用，现在可以转交。',
    whatToDo: '请重新加载页面，或重复刚才的操作。',
  },
  GW_INTERNAL: {
    title: '出了点问题',
    whatHappened: '我们这边发生了意外故障，故障已被记录。',
    whatToDo: '请重试。如果问题持续，请将支持代码提供给本应用的服务商。',
  },
}
