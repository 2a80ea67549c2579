import type { PageTexts } from './page-texts.ts'

export const refusalsInEnglish: PageTexts['refusals'] = {
  'tenant-unknown': {
    title: 'Your enterprise is not known here',
    whatHappened: 'KooGallery has not told this application about your enterprise. Either it has not bought the application, or the purchase is not set up yet.',
    whatToDo: 'Right after a purchase, wait a few minutes and try again. Otherwise ask your enterprise’s administrator to bind the application to your enterprise in KooGallery.',
  },
  'tenant-closed': {
    title: 'Your enterprise no longer uses this application',
    whatHappened: 'KooGallery has unbound your enterprise from this application.',
    whatToDo: 'Ask your enterprise’s administrator whether the application is to be bought or bound again in KooGallery.',
  },
  'binding-missing': {
    title: 'The application is not set up for your enterprise yet',
    whatHappened: 'Your enterprise is known, but KooGallery has not delivered the credentials that sign-in needs.',
    whatToDo: 'Right after a purchase, wait a few minutes and try again. If it stays so, give the support code to the provider of this application.',
  },
  'account-not-authorised': {
    title: 'You may not use this application yet',
    whatHappened: 'Your account is valid, but nobody has authorised it for this application.',
    whatToDo: 'Ask your enterprise’s administrator to add you in KooGallery under “Joint-operation services → Application authorisation”. Then try again.',
  },
  'account-disabled': {
    title: 'Your account is disabled',
    whatHappened: 'Your enterprise’s administrator has disabled your account.',
    whatToDo: 'Ask your enterprise’s administrator to enable it. Then sign in again.',
  },
  'authorisation-withdrawn': {
    title: 'Your access has been taken away',
    whatHappened: 'Your authorisation for this application was withdrawn, so your session has ended.',
    whatToDo: 'If that is a mistake, ask your enterprise’s administrator to authorise you again in KooGallery. Once that is done, sign in again.',
  },
  'instance-not-ready': {
    title: 'The application is still being set up',
    whatHappened: 'Your enterprise has bought the application, and its provider has not finished setting it up for you.',
    whatToDo: 'Wait a few minutes and try again. If it stays so, give the support code to the provider of this application.',
  },
  'instance-expired': {
    title: 'Your enterprise’s subscription has expired',
    whatHappened: 'The time that your enterprise has paid for is over.',
    whatToDo: 'Ask your enterprise’s administrator to renew the application in KooGallery. Once that is done, sign in again.',
  },
  'instance-frozen': {
    title: 'Your enterprise’s subscription is suspended',
    whatHappened: 'KooGallery has suspended it, for example because a payment is overdue. Your session, if you had one, has ended.',
    whatToDo: 'Ask your enterprise’s administrator to see to the order in KooGallery. Once the suspension is lifted, sign in again.',
  },
  'instance-released': {
    title: 'Your enterprise’s subscription has ended',
    whatHappened: 'KooGallery has closed it for good, because it was cancelled or not renewed in time.',
    whatToDo: 'Ask your enterprise’s administrator whether the application is to be bought again in KooGallery. Once it is set up, sign in again.',
  },
  'choice-needed': {
    title: 'Choose a subscription to go on',
    whatHappened: 'The subscription of your enterprise that you worked in is closed now. Another one is open to you.',
    whatToDo: 'Choose the subscription to go on with. What you just sent was not taken: enter it again there if it still applies.',
  },
  'callback-malformed': {
    title: 'This sign-in link is incomplete',
    whatHappened: 'The address you came by lacks a part of KooGallery’s answer, or holds it twice.',
    whatToDo: 'Do not use a bookmark or a copied link of this address. Start again from the sign-in page.',
  },
  'authorization-denied': {
    title: 'KooGallery did not sign you in',
    whatHappened: 'The sign-in was cancelled, or KooGallery refused it for your account.',
    whatToDo: 'Try again. If KooGallery refuses again, ask your enterprise’s administrator about your account.',
  },
  'flow-unknown': {
    title: 'This sign-in does not belong to this browser',
    whatHappened: 'It was started in another browser or has already been used, for example before you pressed “Back”.',
    whatToDo: 'Start again from the sign-in page, and stay in one browser until you are signed in.',
  },
  'flow-expired': {
    title: 'Signing in took too long',
    whatHappened: 'For your safety, a sign-in that is not finished in a few minutes no longer counts.',
    whatToDo: 'Sign in again.',
  },
  'tenant-mismatch': {
    title: 'The account belongs to another enterprise',
    whatHappened: 'The sign-in was for one enterprise, and KooGallery’s answer came for another. Nobody was signed in.',
    whatToDo: 'Sign out of KooGallery, then sign in with the account of the right enterprise. If you did not change accounts, give the support code to the provider of this application.',
  },
  'code-refused': {
    title: 'KooGallery did not confirm the sign-in',
    whatHappened: 'KooGallery did not accept the one-time code that your browser brought. Such a code is valid briefly and once only.',
    whatToDo: 'Sign in again. If it fails again, give the support code to the provider of this application.',
  },
  'code-reused': {
    title: 'This sign-in has already been used',
    whatHappened: 'The page was loaded a second time, for example by “Reload” or “Back”. A one-time code counts only once.',
    whatToDo: 'You may be signed in already: open the application. If not, you will be asked to sign in.',
  },
  'account-unnamed': {
    title: 'KooGallery did not say who you are',
    whatHappened: 'The sign-in succeeded, but KooGallery’s answer held no account name. Nobody was signed in.',
    whatToDo: 'Sign in again. If it fails again, give the support code to the provider of this application.',
  },
  'marketplace-unavailable': {
    title: 'KooGallery does not answer at the moment',
    whatHappened: 'Your sign-in could not be completed, because your enterprise’s sign-in service did not answer in time.',
    whatToDo: 'Wait a minute and sign in again. If it lasts, give the support code to the provider of this application.',
  },
  'login-loop': {
    title: 'Signing in goes round in circles',
    whatHappened: 'You were sent to sign in several times within a minute and never arrived, so it was stopped here.',
    whatToDo: 'Allow cookies for this site, close private windows, and open the site by its https address. If that does not help, give the support code to the provider of this application.',
  },
  'confirmation-expired': {
    title: 'The question has expired',
    whatHappened: 'You were asked whether to continue with an account, or which subscription to use. The answer came too late, or had been given before. Nobody was signed in by it.',
    whatToDo: 'Sign in again.',
  },
  'role-missing': {
    title: 'This part is for other roles',
    whatHappened: 'You are signed in, but your role does not open this part of the application.',
    whatToDo: 'If you need it, ask your enterprise’s administrator for the role in KooGallery. Then sign in again.',
  },
  'cross-site-request': {
    title: 'The request came from another site',
    whatHappened: 'A form or link of another site, or an outdated page, tried to act here in your name. Nothing was done.',
    whatToDo: 'If you pressed a button on our own page, go to the sign-in page and try once more. Otherwise close the page you came from.',
  },
  'session-missing': {
    title: 'You are not signed in',
    whatHappened: 'This page needs a sign-in. You have not signed in, or your session has ended.',
    whatToDo: 'Sign in, then repeat what you were doing.',
  },
  'too-many-requests': {
    title: 'Too many requests at once',
    whatHappened: 'More requests came from your network, or for your enterprise, than this site takes in a minute. Nothing was done, and whoever is signed in still is.',
    whatToDo: 'Wait a minute, then try again. If it stays so, give the support code to the provider of this application.',
  },
}
