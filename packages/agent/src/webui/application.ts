import { createHash } from 'node:crypto';
import { exitCodes, KairosError, reasonOf } from '@kairos/facts/errors';
import type { ApiError, InstallationView } from '@kairos/pages/installer-api';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { getCookie } from 'hono/cookie';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { readAnswers } from '../installer/answers.ts';
import type { Installer } from '../installer/installer.ts';
import type { Access } from './access.ts';
import { refusalOf } from './guard.ts';

/** Bytes of a request. */
const maximumBody = 1024 * 1024;
/** A stream of events says something this often, so that a dead connection is noticed, in milliseconds. */
const heartbeat = 15_000;

export interface WebuiOptions {
  readonly installer: Installer;
  readonly access: Access;
  /** The page: one document with everything in it. */
  readonly page: string;
  readonly scheme: 'http' | 'https';
  /** Names of this machine. */
  readonly names: () => readonly string[];
}

/** What of the server says how long nothing may be heard of a request, in seconds; 0 for no limit. */
export interface RequestTimer {
  timeout(request: Request, seconds: number): void;
}

const cookieName = 'kairos-installer';

/** What a browser may do with the page: run its own script, show its own style, talk to this server, nothing else. */
function contentPolicy(page: string): string {
  const hashes = (tag: string) =>
    [...page.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([\\s\\S]*?)</${tag}>`, 'g'))]
      .map(([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
      .join(' ');
  return [
    "default-src 'none'",
    `script-src ${hashes('script') || "'none'"}`,
    `style-src ${hashes('style') || "'none'"}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** HTTP's status for a failure: whose fault it is. */
function statusOf(error: unknown): 400 | 409 | 422 | 500 {
  if (!(error instanceof KairosError)) return 500;
  if (error.code === 'INSTALL_RUNNING' || error.exit === 'wrongState') return 409;
  if (error.code === 'BODY_INVALID') return 400;
  return error.exitCode >= exitCodes.invalidInput ? 422 : 500;
}

function errorBody(error: unknown): { error: ApiError } {
  if (!(error instanceof KairosError)) return { error: { code: 'FAILED', message: reasonOf(error) } };
  const { code, message, hint } = error;
  return { error: { code, message, ...(hint === undefined ? {} : { hint }) } };
}

/** @throws KairosError `BODY_INVALID` */
async function jsonBody(request: { json(): Promise<unknown> }): Promise<unknown> {
  try {
    return await request.json();
  } catch (cause) {
    throw new KairosError('BODY_INVALID', 'The request is not JSON', { cause, exit: 'invalidInput' });
  }
}

/** @throws KairosError `BODY_INVALID` */
async function bodyOf<T>(request: { json(): Promise<unknown> }, schema: z.ZodType<T>): Promise<T> {
  const { data, error } = schema.safeParse(await jsonBody(request));
  if (error) {
    const [issue] = error.issues;
    throw new KairosError('BODY_INVALID', `${issue?.path.join('.') || 'the request'}: ${issue?.message}`, {
      exit: 'invalidInput',
    });
  }
  return data;
}

const codeSchema = z.strictObject({ code: z.string().max(64) });
const configSchema = z.strictObject({ cloudConfig: z.string().max(512 * 1024) });
const machineSchema = z.strictObject({ action: z.enum(['reboot', 'poweroff', 'stay']) });

/** The API of the web installer and its page, as a function from request to response. */
export function webuiApplication(options: WebuiOptions): Hono<{ Bindings: Partial<RequestTimer> }> {
  const { installer, access, page, scheme } = options;
  const policy = contentPolicy(page);
  const compressed = Bun.gzipSync(page, { level: 9 });
  const app = new Hono<{ Bindings: Partial<RequestTimer> }>();

  app.use(async (context, next) => {
    const header = (name: string) => context.req.header(name);
    const refusal = refusalOf(
      {
        ...{ method: context.req.method, host: header('host'), origin: header('origin') },
        ...{ fetchSite: header('sec-fetch-site'), contentType: header('content-type') },
      },
      scheme,
      options.names(),
    );
    if (refusal) {
      const { status, ...error } = refusal;
      context.res = context.json({ error }, status);
    } else await next();
    context.res.headers.set('Content-Security-Policy', policy);
    context.res.headers.set('Cache-Control', 'no-store');
    context.res.headers.set('X-Content-Type-Options', 'nosniff');
    context.res.headers.set('Referrer-Policy', 'no-referrer');
    context.res.headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  });
  app.use(
    bodyLimit({
      maxSize: maximumBody,
      onError: (context) =>
        context.json({ error: { code: 'BODY_TOO_LARGE', message: 'The request has more than 1 MiB' } }, 413),
    }),
  );
  app.onError((error, context) => context.json(errorBody(error), statusOf(error)));
  app.notFound((context) =>
    context.json({ error: { code: 'NOT_FOUND', message: 'There is nothing here' } }, 404),
  );

  app.get('/', (context) => {
    context.header('Vary', 'Accept-Encoding');
    if (!/\bgzip\b/.test(context.req.header('accept-encoding') ?? '')) return context.html(page);
    context.header('Content-Type', 'text/html; charset=UTF-8');
    context.header('Content-Encoding', 'gzip');
    return context.body(compressed);
  });

  app.post('/api/session', async (context) => {
    const { code } = await bodyOf(context.req, codeSchema);
    const attempt = access.attempt(code);
    if (attempt.result === 'wait') {
      context.header('Retry-After', String(attempt.seconds));
      const message = `Too many wrong codes; wait ${attempt.seconds} s`;
      return context.json({ error: { code: 'TOO_MANY_TRIES', message } }, 429);
    }
    if (attempt.result === 'wrong') {
      const error = {
        ...{ code: 'CODE_WRONG', message: 'This is not the code' },
        hint: 'The console of the machine shows the code; after five wrong ones it shows another',
      };
      return context.json({ error }, 401);
    }
    context.header(
      'Set-Cookie',
      `${cookieName}=${attempt.token}; HttpOnly; SameSite=Strict; Path=/${scheme === 'https' ? '; Secure' : ''}`,
    );
    return context.body(null, 204);
  });

  app.use('/api/*', async (context, next) => {
    if (access.isOpen(getCookie(context, cookieName))) {
      // Disks that spin up and a stop that waits for a slow disk take longer than a stranger may be silent.
      context.env.timeout?.(context.req.raw, 0);
      return next();
    }
    return context.json(
      { error: { code: 'NO_SESSION', message: 'Enter the code of the console first' } },
      401,
    );
  });

  app.delete('/api/session', (context) => {
    access.close(getCookie(context, cookieName));
    context.header('Set-Cookie', `${cookieName}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`);
    return context.body(null, 204);
  });
  app.get('/api/node', async (context) => context.json(await installer.node()));
  app.get('/api/disks', async (context) => context.json(await installer.disks()));
  app.post('/api/validate', async (context) => {
    const { cloudConfig } = await bodyOf(context.req, configSchema);
    return context.json(installer.validate(cloudConfig));
  });
  app.post('/api/plan', async (context) => {
    return context.json(await installer.plan(readAnswers(await jsonBody(context.req))));
  });
  app.post('/api/installation', async (context) => {
    return context.json(await installer.start(readAnswers(await jsonBody(context.req))), 202);
  });
  app.get('/api/installation', (context) => {
    const view = installer.current;
    if (view) return context.json(view);
    return context.json({ error: { code: 'NO_INSTALLATION', message: 'Nothing was installed yet' } }, 404);
  });
  app.delete('/api/installation', async (context) => {
    const view = await installer.stop();
    if (view) return context.json(view);
    return context.json({ error: { code: 'NO_INSTALLATION', message: 'Nothing is being installed' } }, 404);
  });
  app.get('/api/installation/log', (context) => {
    context.header('Content-Disposition', 'attachment; filename="installation.log"');
    return context.text(`${(installer.current?.log ?? []).join('\n')}\n`);
  });
  app.get('/api/installation/events', (context) => {
    // Nobody would read the stream, and nothing would end it.
    if (context.req.method === 'HEAD') return context.body(null);
    return streamSSE(context, async (stream) => {
      let latest: InstallationView | undefined = installer.current;
      let wake: () => void = () => undefined;
      const unwatch = installer.watch((view) => {
        latest = view;
        wake();
      });
      stream.onAbort(() => {
        unwatch();
        wake();
      });
      while (!stream.aborted) {
        const view = latest;
        latest = undefined;
        if (view) await stream.writeSSE({ event: 'installation', data: JSON.stringify(view) });
        else await stream.writeSSE({ event: 'alive', data: '' });
        if (latest === undefined && !stream.aborted) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, heartbeat);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      }
    });
  });
  app.post('/api/machine', async (context) => {
    const { action } = await bodyOf(context.req, machineSchema);
    if (action === 'stay') installer.cancelEnd();
    else await installer.end(action);
    return context.body(null, 202);
  });
  return app;
}
