/** The next page's URL in a `Link` header (RFC 8288). */
export function nextPage(link: string | null, url: string): string | undefined {
  const match = /<([^>]+)>\s*;[^,]*\brel="?next"?/i.exec(link ?? '');
  const next = match?.[1] === undefined ? null : URL.parse(match[1], url);
  return next?.origin === new URL(url).origin ? next.href : undefined;
}
