import type { ErrorCode } from '@belfry/contracts'

/** What a reader of a problem wants to know. */
export interface ProblemText {
  /** What the code says about the request. */
  readonly meaning: string
  /** What the client or its user does next. */
  readonly whatToDo: string
  /** The `detail` of one such problem. */
  readonly example: string
}

/** A text for each code: a code without one does not compile. */
export const problemTexts: Record<ErrorCode, ProblemText> = {
  'malformed-request': {
    meaning: 'The request cannot be read: it is no JSON, a field has the wrong type, or a field is unknown.',
    whatToDo:
      'Correct each entry of "errors": "pointer" names the place, "suggestion" what was probably meant. The same request again is refused again.',
    example: 'The request does not fit what this address takes.',
  },
  unauthenticated: {
    meaning: 'The address needs a valid access token, and the request has none, or one that is expired or not ours.',
    whatToDo: 'Log in with POST /auth/login and send the token as "Authorization: Bearer <token>".',
    example: 'Send a valid access token as "Authorization: Bearer …".',
  },
  'wrong-credentials': {
    meaning: 'There is no user with this name and this password. Both cases have the same answer.',
    whatToDo: 'Check the name and the password. After several wrong passwords each further try has to wait longer.',
    example: 'The username or the password is wrong.',
  },
  forbidden: {
    meaning: 'The caller is known, and has not the role that the address needs.',
    whatToDo: 'Ask an administrator for the role that "detail" names. A new role counts from the next login on.',
    example: 'This needs the role "operator".',
  },
  'foreign-origin': {
    meaning:
      'A page of another origin tried to change something: the header Origin names a site that is not this Belfry.',
    whatToDo:
      'Set BELFRY_PUBLIC_URL where this Belfry serves the page, or add the origin of the page to BELFRY_GATEWAY_CORS_ORIGINS.',
    example: 'A page of another origin must not change anything here.',
  },
  'not-found': {
    meaning: 'There is nothing at this address for this caller. What belongs to others is answered in the same way.',
    whatToDo: 'Check the id or key, and whether you are logged in as its owner.',
    example: 'There is no such job.',
  },
  'method-not-allowed': {
    meaning: 'The address is there, and does not take this method.',
    whatToDo: 'Use one of the methods of the header Allow; "allowed" names them too.',
    example: 'This address takes GET, HEAD, OPTIONS, POST.',
  },
  conflict: {
    meaning: 'The request contradicts what is stored, such as a key that another job of yours has.',
    whatToDo: 'Read "errors", look at what is there, and send a request that fits it.',
    example: 'The key is taken.',
  },
  'illegal-transition': {
    meaning: 'The job or execution is in a state that does not allow this.',
    whatToDo: 'Do one of the things that "allowed" names, or read the current state first.',
    example: 'The job is cancelled and cannot be paused.',
  },
  'request-in-flight': {
    meaning: 'A request with the same Idempotency-Key is at work and has no answer yet.',
    whatToDo: 'Send the same request again after the seconds of Retry-After: it then gets the answer of the first one.',
    example: 'A request with this Idempotency-Key is at work.',
  },
  'request-timeout': {
    meaning: 'The request did not come in whole within the time that the server waits for it.',
    whatToDo: 'Send it again in one go. Over a slow connection send smaller bodies.',
    example: 'The request did not come in whole in time.',
  },
  'version-mismatch': {
    meaning: 'If-Match names another version than the one that is stored: the record was changed since it was read.',
    whatToDo: 'Read it again, look at the fields in "errors", and repeat the change with the new ETag.',
    example: 'The job is at version 8.',
  },
  'too-large': {
    meaning: 'The body, or a part of it, is larger than the address takes.',
    whatToDo:
      'Send less: a body has at most 256 KiB unless the address says otherwise. Large data belongs to where params can point at it.',
    example: 'The body is larger than this address takes.',
  },
  'unsupported-media-type': {
    meaning: 'The body is of a type, or in an encoding, that the address does not take.',
    whatToDo:
      'Send JSON as it is, with "Content-Type: application/json" and without Content-Encoding. Only PATCH takes application/merge-patch+json.',
    example: 'Send the body as it is, without Content-Encoding.',
  },
  'misdirected-request': {
    meaning:
      'The header Host names no name of this Belfry. It listens on its own machine only, and answers to localhost, 127.0.0.1 and [::1].',
    whatToDo: 'Call it by one of these names, or set BELFRY_PUBLIC_URL to the address by which it is reached.',
    example: 'Belfry listens on this machine only and answers to localhost, 127.0.0.1 and [::1].',
  },
  impossible: {
    meaning:
      'The request is well-formed and cannot be done as it is: the job type is unknown, params do not fit it, or the schedule never fires.',
    whatToDo: 'Correct each entry of "errors". GET /job-types lists the types with the schema of their params.',
    example: 'The job cannot run as it is.',
  },
  'idempotency-key-reused': {
    meaning: 'The Idempotency-Key came before with another body, within 24 hours, for the same address and user.',
    whatToDo: 'Send a new key with a new request; keep a key for repetitions of one request.',
    example: 'This Idempotency-Key came with another body before.',
  },
  'too-many-requests': {
    meaning: 'More requests came than the limit of the user, the address or the queue behind it allows.',
    whatToDo:
      'Wait for the seconds of Retry-After, and then go on more slowly. The headers RateLimit-Policy and RateLimit show the limits and what is left.',
    example: 'At most 12000 calls of one user are taken in 60 s: try again in 1 s.',
  },
  'quota-exceeded': {
    meaning: 'The user has as much of something as one user may have, such as jobs.',
    whatToDo: 'Remove what is not needed any more, or ask the operator for a higher quota (docs/limits.md).',
    example: 'A user may have 100000 jobs that are not cancelled.',
  },
  'headers-too-large': {
    meaning: 'The address and the headers of the request are together longer than 16 KiB.',
    whatToDo: 'Send fewer or shorter headers, and a shorter query. Cookies are not needed by any address.',
    example: 'The address and the headers of the request are too long together.',
  },
  internal: {
    meaning: 'Something went wrong in Belfry that no rule expects. The log has the cause under the request id.',
    whatToDo: 'Send the request again after a while; report it with "requestId" when it fails again.',
    example: 'Something went wrong on our side. Name the request id when you report it.',
  },
  'not-implemented': {
    meaning: 'No address of Belfry takes this method.',
    whatToDo: 'Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.',
    example: 'TRACE is not supported.',
  },
  'bad-gateway': {
    meaning: 'The service behind the gateway broke off, or answered what cannot be read.',
    whatToDo:
      'Repeat a request that reads. Repeat one that changes something with the same Idempotency-Key, since it may have taken effect.',
    example: 'The service that answers this could not be reached.',
  },
  unavailable: {
    meaning: 'A service, its store or the bus cannot take the request now, or Belfry is stopping.',
    whatToDo:
      'Send the same request again after the seconds of Retry-After, with the same Idempotency-Key where it has one.',
    example: 'The service is stopping.',
  },
  'storage-full': {
    meaning: 'The disk of the store is full. Nothing of the request was stored.',
    whatToDo: 'Make room on the disk; Belfry goes on by itself. Shorter retention keeps it smaller.',
    example: 'The disk is full: nothing was stored.',
  },
  'gateway-timeout': {
    meaning: 'The service behind the gateway did not answer in time.',
    whatToDo:
      'Repeat a request that reads. Repeat one that changes something with the same Idempotency-Key, since it may have taken effect.',
    example: 'The service that answers this took too long.',
  },
}
