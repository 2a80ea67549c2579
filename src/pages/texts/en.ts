import type { PageTexts } from './page-texts.ts'
import { faultsInEnglish } from './faults-en.ts'
import { refusalsInEnglish } from './refusals-en.ts'

export const english: PageTexts = {
  languageSwitch: 'Language',
  support: { heading: 'Please quote when you ask for support', code: 'Code', reason: 'Reason', time: 'Time' },
  actions: { tryAgain: 'Try again', signIn: 'Go to sign-in', signInAgain: 'Sign in again', openApplication: 'Open the application', cancel: 'Cancel', renew: 'Renew in KooGallery' },
  whatToDo: 'What to do now',
  retryIn: (seconds) => `Try again in about ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
  signIn: {
    title: (application) => `Sign in to ${application}`,
    button: 'Sign in with your KooGallery account',
    account: 'Use the joint-operation account that your enterprise’s administrator gave you. It looks like account@enterprise-domain.',
    handOver: (application) => `You enter your password on KooGallery’s own page. ${application} never sees it.`,
    trouble: 'Trouble signing in?',
    limits: [
      'KooGallery’s sign-in page does not work in Chrome’s incognito windows. Use an ordinary window.',
      'It needs third-party cookies. If you are asked to sign in twice, allow them for huaweicloud.com.',
      'In Firefox, open Settings → Privacy & Security → Custom and clear the “Cookies” check box.',
      'Inside another app, the built-in browser must accept cookies. If in doubt, open this page in your browser.',
    ],
    notices: {
      'cookie-ambiguous': 'Your browser sent two sign-in cookies of the same name, so neither was used. Please sign in again; if it happens again, delete this site’s cookies.',
      'session-unknown': 'You are no longer signed in. You may have signed out somewhere else. Please sign in again.',
      'session-idle': 'You were signed out because nothing happened for a while. Please sign in again.',
      'session-expired': 'Your sign-in reached its longest duration. Please sign in again.',
      'tokens-ended': 'KooGallery ended your sign-in, for example after a sign-out there or a change of password. Please sign in again.',
    },
  },
  confirm: {
    title: 'Continue as {name} of {enterprise}?',
    explanation: 'This sign-in was not started on this site in this browser, or another account is signed in here. Continue only if you started it yourself, for example from your KooGallery workbench, and the account is yours.',
    button: 'Continue',
    notMe: 'No, this is not me',
    notMeHint: 'If you choose “No”, nothing changes.',
  },
  person: { name: 'Name', account: 'Account', enterprise: 'Enterprise' },
  signOut: {
    title: (application) => `Sign out of ${application}?`,
    explanation: 'Your session here ends first. Your browser then signs out of KooGallery as well.',
    button: 'Sign out',
  },
  signedOut: {
    title: 'You are signed out',
    whatHappened: 'Your session here has ended.',
    whatToDo: 'On a shared computer, close all windows of the browser too.',
  },
  loopCauses: {
    'cookies-blocked': 'Cause: your browser did not send back the cookie that this site sets at sign-in. Cookies are blocked for this site, by a setting, an extension or a private window.',
    'insecure-address': 'Cause: this site was opened over http. Browsers keep the sign-in cookie only for https, so the sign-in is lost at once.',
    'session-lost': 'Cause: the sign-in succeeded and was lost right after. Your browser did its part; the fault is on this site’s side.',
    'state-lost': 'Cause: your enterprise’s sign-in service did not return the mark that this site gave it, so no sign-in could be told to be yours. Your browser did its part.',
  },
  refusals: refusalsInEnglish,
  faults: faultsInEnglish,
}
