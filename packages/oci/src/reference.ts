import { KairosError } from '@kairos/facts/errors';

/** Where an image is in a registry. */
export interface Reference {
  /** Host, with a port where given; `docker.io` where none is. */
  readonly registry: string;
  /** Path in the registry, such as `library/debian`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/* Grammar of distribution/reference, which all tools share. */
const domain =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const repositoryPath = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

const defaultRegistry = 'docker.io';
const defaultTag = 'latest';

/** A reference as it may be shown: a password that somebody wrote before an `@` does not belong into a message. */
export function withoutPassword(text: string): string {
  return text.replace(/[^/@\s]+:[^/@\s]*@(?!sha(?:256|512):)/, '***@').slice(0, 300);
}

/**
 * Reads an image reference such as `debian`, `host:5000/a/b:tag@sha256:…`. Without tag and digest the tag is `latest`.
 * @throws KairosError `REFERENCE_INVALID`
 */
export function parseReference(text: string): Reference {
  const invalid = (reason: string, hint?: string) =>
    new KairosError(
      'REFERENCE_INVALID',
      `Not an image reference: ${JSON.stringify(withoutPassword(text))}: ${reason}`,
      {
        exit: 'invalidInput',
        ...(hint === undefined ? {} : { hint }),
      },
    );
  let rest = text;
  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!digestPattern.test(digest)) {
      throw invalid('what follows "@" is not a digest', 'A digest is sha256: and 64 hexadecimal digits.');
    }
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!isTag(tag)) throw invalid(`${JSON.stringify(tag)} is not a tag`);
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  // What comes first is a host if it could not be part of a path: the rule of Docker, which everybody follows.
  const isHost = first === 'localhost' || /[.:A-Z[]/.test(first);
  let registry = isHost ? first : defaultRegistry;
  let repository = isHost ? rest.slice(slash + 1) : rest;
  if (registry === 'index.docker.io') registry = defaultRegistry;
  if (!domain.test(registry)) throw invalid(`${JSON.stringify(registry)} is not a host`);
  if (registry === defaultRegistry && repository !== '' && !repository.includes('/'))
    repository = `library/${repository}`;
  if (repository.length > 255) throw invalid('the name is longer than 255 characters');
  if (!repositoryPath.test(repository)) {
    const lower = repository.toLowerCase();
    throw invalid(
      repository === '' ? 'it has no name' : `${JSON.stringify(repository)} is not a name`,
      repositoryPath.test(lower) ? `Names are lower-case: ${lower}` : undefined,
    );
  }
  return {
    registry,
    repository,
    ...(tag === undefined ? (digest === undefined ? { tag: defaultTag } : {}) : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The whole form of a reference, which reads back as the same. */
export function printReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.registry}/${reference.repository}${tag}${digest}`;
}
