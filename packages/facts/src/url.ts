/** Parameters of a URL whose values are not for everybody: tokens, signatures. */
const secretParameter =
  /([?&;][\w.-]*(?:passw|token|secret|signature|credential|api_?key|access_?key)[\w.-]*=|[?&;]sig=)[^&;#\s]*/gi;

/**
 * A URL as logs, messages and lists of sources may show it: without the password of its user and without tokens in its
 * parameters. What is no URL is given back.
 */
export function urlWithoutSecrets(url: string): string {
  return url.replace(/(:\/\/)[^\s/?#@]*@/, '$1********@').replaceAll(secretParameter, '$1********');
}
