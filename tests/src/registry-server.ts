import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

export interface RegistryServerOptions {
  /** User and password that everybody has to give. */
  readonly login?: readonly [user: string, password: string];
  /** Certificate and key in PEM; plain http without. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export interface RegistryServer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Whether something listens there. */
function answers(address: string): Promise<boolean> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Debian's docker-registry on loopback, which keeps everything below `folder`. */
export async function startRegistry(
  folder: string,
  options: RegistryServerOptions = {},
): Promise<RegistryServer> {
  const address = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(folder, 'data'), { recursive: true });
  const http: Record<string, unknown> = { addr: address, secret: 'for tests' };
  const config: Record<string, unknown> = {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http,
  };
  if (options.tls !== undefined) {
    writeFileSync(join(folder, 'certificate.pem'), options.tls.certificate);
    writeFileSync(join(folder, 'key.pem'), options.tls.key, { mode: 0o600 });
    http.tls = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') };
  }
  if (options.login !== undefined) {
    const [user, password] = options.login;
    const hash = await Bun.password.hash(password, { algorithm: 'bcrypt', cost: 4 });
    writeFileSync(join(folder, 'htpasswd'), `${user}:${hash}\n`);
    config.auth = { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } };
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
  const log = openSync(join(folder, 'log'), 'w');
  // A file, not a pipe: the server would wait for a test that runs a program and does not read meanwhile.
  const child = Bun.spawn(['docker-registry', 'serve', join(folder, 'config.yml')], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: log,
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  closeSync(log);
  const deadline = Date.now() + 20_000;
  while (!(await answers(address))) {
    if (child.exitCode === null && Date.now() < deadline) {
      await Bun.sleep(10);
      continue;
    }
    child.kill('SIGKILL');
    throw new Error(
      `docker-registry does not answer: ${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`,
    );
  }
  return {
    address,
    async stop() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
