import { KairosError } from '@kairos/facts/errors';
import { z } from 'zod';
import { parseChallenges } from './challenge.ts';
import type { Credential, CredentialStore } from './credentials.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, showUrl } from './http-client.ts';

const tokenSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().nullish(),
});
const errorsSchema = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

/** Seconds before its end at which a token counts as ended. */
const tokenMargin = 10;
const maximumAnswer = 256 * 1024;

export interface EndpointOptions {
  /** Host and port as the user wrote them; the key of credentials. */
  readonly registry: string;
  /** Path in this registry: with the prefix, where it is a mirror. */
  readonly repository: string;
  readonly insecure: boolean;
  readonly actions: 'pull' | 'pull,push';
}

/** Docker and all that follow it take registries on the machine itself without a certificate. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** What a registry says in the body of an error (distribution-spec, "Error Codes"), cut and without controls. */
async function saidBy(response: HttpResponse): Promise<string> {
  try {
    const bytes = await response.bytes(maximumAnswer, 'The answer');
    const { errors } = errorsSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    const said = errors.map(({ code, message }) => message ?? code ?? '').filter(Boolean);
    return said.length === 0
      ? ''
      : `: ${said
          .join('; ')
          .replaceAll(/[^\x20-\x7e]/g, ' ')
          .slice(0, 200)}`;
  } catch {
    return '';
  }
}

/** One repository on one registry server: scheme, credentials and tokens. */
export class RegistryEndpoint {
  private origin: string | undefined;
  private authorization: { readonly header: string; readonly until: number } | undefined;
  private credential: Promise<Credential | undefined> | undefined;

  constructor(
    readonly options: EndpointOptions,
    private readonly http: HttpClient,
    private readonly credentials: CredentialStore,
  ) {}

  /** `host/repository`, for messages. */
  get name(): string {
    return `${this.options.registry}/${this.options.repository}`;
  }

  private get host(): string {
    return this.options.registry === 'docker.io' ? 'registry-1.docker.io' : this.options.registry;
  }

  /** Whether https is spoken there at all matters for insecure registries only, and costs a question. */
  private async base(): Promise<string> {
    if (this.origin !== undefined) return this.origin;
    const secure = `https://${this.host}`;
    if (!this.options.insecure && !isLoopback(this.host)) {
      this.origin = secure;
      return secure;
    }
    try {
      (
        await this.http.send(`${secure}/v2/`, {
          insecure: this.options.insecure,
          attempts: 1,
          stallTimeout: 5000,
        })
      ).discard();
      this.origin = secure;
    } catch (error) {
      if (!(error instanceof KairosError) || error.code === 'INTERRUPTED') throw error;
      if (error.code === 'REGISTRY_BUSY' || error.code === 'REGISTRY_CERTIFICATE') this.origin = secure;
      else this.origin = `http://${this.host}`;
    }
    return this.origin;
  }

  /** The URL of something below the repository, such as `manifests/latest`. */
  async url(path: string): Promise<string> {
    return `${await this.base()}/v2/${this.options.repository}/${path}`;
  }

  /**
   * Sends a request with what authorization it needs, asked for when the registry asks.
   * @throws KairosError `REGISTRY_UNAUTHORIZED`, and what `HttpClient.send` throws
   */
  async send(url: string, request: HttpRequest = {}): Promise<HttpResponse> {
    // Uploads go where the registry says; its secrets do not follow to other hosts.
    const home = new URL(url).origin === new URL(await this.base()).origin;
    for (let refused = 0; ; refused++) {
      const known = this.authorization;
      const header = home && known !== undefined && known.until > Date.now() ? known.header : undefined;
      const response = await this.http.send(url, {
        ...request,
        insecure: this.options.insecure,
        ...(header === undefined ? {} : { authorization: header }),
      });
      if (response.status !== 401 && response.status !== 403) return response;
      // Only the registry itself may ask: behind a redirect lies somebody else.
      if (new URL(response.url).origin !== new URL(url).origin) throw await this.refusedElsewhere(response);
      if (!home || response.status !== 401 || refused > 0) throw await this.unauthorized(response);
      await this.authorize(response);
    }
  }

  private async refusedElsewhere(response: HttpResponse): Promise<KairosError> {
    const { registry, repository } = this.options;
    const { host } = new URL(response.url);
    return new KairosError(
      'REGISTRY_UNAUTHORIZED',
      `${host}, to which ${registry} redirects for ${repository}, refuses access (${response.status})${await saidBy(response)}`,
      {
        exit: 'network',
        hint: `The registry itself let the request pass. Try again, and look whether a proxy or a firewall keeps ${host} away.`,
      },
    );
  }

  private async unauthorized(response: HttpResponse): Promise<KairosError> {
    const { registry } = this.options;
    const known = (await this.findCredential()) !== undefined;
    return new KairosError(
      'REGISTRY_UNAUTHORIZED',
      `${registry} refuses access to ${this.options.repository} (${response.status})${await saidBy(response)}`,
      {
        exit: 'network',
        hint: known
          ? `The credentials for ${registry} are not accepted or do not suffice: log in again.`
          : `There are no credentials for ${registry}: log in with podman login or docker login, or name a file by REGISTRY_AUTH_FILE.`,
      },
    );
  }

  private findCredential(): Promise<Credential | undefined> {
    this.credential ??= this.credentials.find(this.options.registry, this.options.repository);
    return this.credential;
  }

  private async authorize(response: HttpResponse): Promise<void> {
    const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const credential = await this.findCredential();
    if (bearer !== undefined) {
      response.discard();
      this.authorization = await this.token(bearer.parameters, credential);
    } else if (challenges.some(({ scheme }) => scheme === 'basic') && credential?.kind === 'password') {
      response.discard();
      this.authorization = { header: basic(credential), until: Number.POSITIVE_INFINITY };
    } else throw await this.unauthorized(response);
  }

  /** Asks the token server of a challenge (distribution, "Token Authentication Specification" and its OAuth 2 form). */
  private async token(
    parameters: ReadonlyMap<string, string>,
    credential: Credential | undefined,
  ): Promise<{ header: string; until: number }> {
    const { registry, repository, actions, insecure } = this.options;
    const realm = URL.parse(parameters.get('realm') ?? '');
    const mayBePlain = insecure || isLoopback(registry);
    if (realm === null || !(realm.protocol === 'https:' || (realm.protocol === 'http:' && mayBePlain))) {
      throw new KairosError('REGISTRY_TOKEN', `${registry} names no valid token server`, { exit: 'network' });
    }
    realm.username = '';
    realm.password = '';
    const scope = `repository:${repository}:${actions}`;
    const service = parameters.get('service');
    let send: () => Promise<HttpResponse>;
    if (credential?.kind === 'identity-token') {
      const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'kairos', scope });
      form.set('refresh_token', credential.token);
      if (service !== undefined) form.set('service', service);
      const body = Buffer.from(form.toString());
      send = () =>
        this.http.send(realm.href, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body,
          secretBody: true,
          insecure,
        });
    } else {
      if (service !== undefined) realm.searchParams.set('service', service);
      realm.searchParams.set('scope', scope);
      const authorization = credential === undefined ? {} : { authorization: basic(credential) };
      send = () => this.http.send(realm.href, { insecure, ...authorization });
    }
    const bytes = await this.http.ask(send, async (answer) => {
      if (answer.status === 401 || answer.status === 403) throw await this.unauthorized(answer);
      if (answer.status !== 200) throw await unexpected(answer, 'a token');
      return answer.bytes(maximumAnswer, 'A token');
    });
    let parsed: z.infer<typeof tokenSchema>;
    try {
      parsed = tokenSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    } catch {
      parsed = {};
    }
    const token = parsed.token ?? parsed.access_token;
    if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
      throw new KairosError('REGISTRY_TOKEN', `${realm.host} gives no token for ${registry}`, {
        exit: 'network',
      });
    }
    const seconds = Math.max(tokenMargin + 1, parsed.expires_in ?? 60) - tokenMargin;
    return { header: `Bearer ${token}`, until: Date.now() + seconds * 1000 };
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** An answer that nothing can be made of. */
export async function unexpected(response: HttpResponse, wanted: string): Promise<KairosError> {
  return new KairosError(
    'REGISTRY_ERROR',
    `${showUrl(response.url)} answers ${response.status} to a request for ${wanted}${await saidBy(response)}`,
    { exit: 'network', details: { status: response.status } },
  );
}
