import { Hono } from 'hono';
import { createBunWebSocket } from 'hono/bun';
import type { WSContext } from 'hono/ws';

interface Frame {
  type: string;
  data: Record<string, unknown>;
}

/** For tests: the part of the fleet server that nodes see. */
export class FleetServer {
  readonly registrations: Record<string, unknown>[] = [];
  readonly frames: Frame[] = [];
  readonly tokens: string[] = [];
  keys = new Set<string>();
  sockets: WSContext[] = [];
  /** Answers the next registrations with these. */
  registerStatus: number[] = [];
  artifactStatus: number[] = [];
  artifactRequests = 0;
  private waiting: (() => void)[] = [];
  private readonly server: ReturnType<typeof Bun.serve>;

  constructor() {
    const { upgradeWebSocket, websocket } = createBunWebSocket();
    const app = new Hono();
    app.post('/api/v1/nodes/register', async (context) => {
      const body = await context.req.json();
      this.registrations.push(body);
      this.changed();
      const status = this.registerStatus.shift();
      if (status !== undefined) return context.text('refused', status as 500);
      if (body.registrationToken !== 'secret') return context.text('wrong token', 401);
      const apiKey = `key-${this.registrations.length}`;
      this.keys.add(apiKey);
      return context.json({ id: 'node-1', apiKey }, 201);
    });
    app.post('/api/v1/nodes/:id/heartbeat', (context) => {
      const key = context.req.header('authorization')?.replace('Bearer ', '') ?? '';
      return context.text('', this.keys.has(key) ? 200 : 401);
    });
    app.get('/api/v1/artifacts/:id/image', (context) => {
      this.artifactRequests++;
      const status = this.artifactStatus.shift();
      if (status !== undefined) return context.text('not now', status as 500);
      if (context.req.header('authorization') !== 'Bearer key-1') return context.text('', 401);
      return context.body('the image');
    });
    app.get(
      '/api/v1/ws',
      async (context, next) => {
        this.tokens.push(context.req.query('token') ?? '');
        this.changed();
        if (!this.keys.has(context.req.query('token') ?? '')) return context.text('', 401);
        return next();
      },
      upgradeWebSocket(() => ({
        onOpen: (_, socket) => {
          this.sockets.push(socket);
          this.changed();
        },
        onMessage: (event) => {
          this.frames.push(JSON.parse(String(event.data)));
          this.changed();
        },
      })),
    );
    this.server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: app.fetch, websocket });
  }
  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }
  private changed(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
  /** Waits until something that the server sees is so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
  command(id: string, command: string, args: Record<string, unknown> = {}): void {
    this.sockets.at(-1)?.send(JSON.stringify({ type: 'command', data: { id, command, args } }));
  }
  statuses(id: string): [unknown, unknown][] {
    return this.frames
      .filter(({ type, data }) => type === 'command_status' && data.id === id)
      .map(({ data }) => [data.phase, data.result]);
  }
  async outcome(id: string): Promise<[unknown, unknown]> {
    await this.until(
      () => this.statuses(id).length >= 2 || this.statuses(id).some(([phase]) => phase === 'Failed'),
    );
    return this.statuses(id).at(-1) ?? ['', ''];
  }
  drop(): void {
    for (const socket of this.sockets.splice(0)) socket.close(1011, 'dropped');
  }
  async stop(): Promise<void> {
    await this.server.stop(true);
  }
}
