/** A service that was not reached has decided nothing: on a busy machine a fleet answers so now and then. */
export const isAway = ({ status }: { readonly status: number }) => status === 503 || status === 504
/** How often such a call is made again. */
export const mostTries = 20
