/** Headers that belong to one connection and not to the message (RFC 9110, section 7.6.1); a proxy passes none of them on. */
export const hopByHopHeaders = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
] as const
