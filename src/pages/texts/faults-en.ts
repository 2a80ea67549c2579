import type { PageTexts } from './page-texts.ts'

export const faultsInEnglish: PageTexts['faults'] = {
  GW_STORAGE_UNAVAILABLE: {
    title: 'Briefly out of order',
    whatHappened: 'The sign-in service cannot read its data at the moment. You have not been signed out.',
    whatToDo: 'Wait a moment and load the page again.',
  },
  GW_STORAGE_MOVED: {
    title: 'Being moved, one moment please',
    whatHappened: 'The sign-in service is moving its data. Whoever is signed in stays signed in; signing in and out has to wait a moment.',
    whatToDo: 'Wait a moment and load the page again.',
  },
  GW_STORAGE_CORRUPT: {
    title: 'Out of order',
    whatHappened: 'The sign-in service cannot open its stored data.',
    whatToDo: 'Please give the support code to the provider of this application.',
  },
  GW_SESSION_RENEWAL_PENDING: {
    title: 'One moment, please',
    whatHappened: 'Your sign-in is being renewed with your enterprise, which takes longer than usual. You have not been signed out.',
    whatToDo: 'Wait a moment and load the page again.',
  },
  GW_UPSTREAM_UNREACHABLE: {
    title: 'The application does not answer',
    whatHappened: 'The application behind this address cannot be reached. Your request was not passed on to it.',
    whatToDo: 'Wait a moment and load the page again. If it lasts, give the support code to the provider of this application.',
  },
  GW_UPSTREAM_LOST: {
    title: 'The application’s answer was lost',
    whatHappened: 'The connection to the application broke off before it answered. Whether it carried out your request is not known.',
    whatToDo: 'Before you repeat an order or a payment, look whether it went through.',
  },
  GW_UPSTREAM_TIMEOUT: {
    title: 'The application takes too long',
    whatHappened: 'The application did not answer in time. Whether it carried out your request is not known.',
    whatToDo: 'Before you repeat an order or a payment, look whether it went through.',
  },
  GW_REQUEST_PATH_AMBIGUOUS: {
    title: 'This address is not accepted',
    whatHappened: 'The address holds characters that different servers read differently, such as an encoded slash.',
    whatToDo: 'Check the link you came by, or start from the application’s first page.',
  },
  GW_REQUEST_METHOD_REFUSED: {
    title: 'This kind of request is not accepted',
    whatHappened: 'The request used a method that is not passed on to the application.',
    whatToDo: 'Start from the application’s first page.',
  },
  GW_REQUEST_UPGRADE_REFUSED: {
    title: 'This kind of connection is not supported',
    whatHappened: 'The page asked for a lasting connection of a kind that is not passed on to the application.',
    whatToDo: 'Please give the support code to the provider of this application.',
  },
  GW_REQUEST_HEADERS_TOO_LARGE: {
    title: 'The request is too large',
    whatHappened: 'The browser sent more cookies or headers along than can be taken.',
    whatToDo: 'Delete the cookies of this website in the browser and try again.',
  },
  GW_REQUEST_INVALID: {
    title: 'The request could not be read',
    whatHappened: 'A part of the request is missing or malformed.',
    whatToDo: 'Go back, load the page again and repeat what you did.',
  },
  GW_REQUEST_STALLED: {
    title: 'The request did not arrive',
    whatHappened: 'The rest of the request, such as a file, did not come in time.',
    whatToDo: 'Check your connection. Before you repeat an order or a payment, look whether it went through.',
  },
  GW_REQUEST_NOT_FOUND: {
    title: 'There is no page here',
    whatHappened: 'The address may be mistyped, or the page has moved.',
    whatToDo: 'Check the address, or start from the application’s first page.',
  },
  GW_REQUEST_NOT_FORWARDED: {
    title: 'Please repeat the request',
    whatHappened: 'The request has not been passed on to the application. It can be now.',
    whatToDo: 'Load the page again, or repeat what you did.',
  },
  GW_INTERNAL: {
    title: 'Something went wrong',
    whatHappened: 'An unexpected fault occurred on our side. It has been recorded.',
    whatToDo: 'Try again. If it lasts, give the support code to the provider of this application.',
  },
}
