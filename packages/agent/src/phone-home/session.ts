import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';
import { type CommandOutcome, commandSchema, type RemoteCommand } from './commands.ts';
import type { PhoneHomeCredentials } from './credentials.ts';
import { nodeReport } from './node.ts';
import type { PhoneHomeSettings } from './settings.ts';

/** What outlives one connection: outcomes that were not sent, and commands that were carried out. */
export interface SessionState {
  readonly outbox: string[];
  readonly seen: Set<string>;
  /** Sends what is in the outbox over the connection that is open now; a command may outlive the one it came by. */
  flush: () => void;
  /** Commands that came and are not carried out yet, in order; one runs at a time. */
  work: Promise<void>;
}

export const newSessionState = (): SessionState => ({
  outbox: [],
  seen: new Set(),
  flush: () => undefined,
  work: Promise.resolve(),
});

export interface SessionParts {
  run(command: RemoteCommand): Promise<CommandOutcome>;
  /** What follows an outcome that has been told. */
  follow(what: NonNullable<CommandOutcome['next']>): Promise<void>;
  readonly tell: (line: string) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Characters of a frame; a command with a whole cloud-config is far below. */
const maximumFrame = 4 * 1024 * 1024;
/** Heartbeats without a sign of the server after which the connection counts as dead. */
const deadAfter = 3;
/** Commands that are remembered, so that one that is delivered twice is carried out once. */
const remembered = 1000;

const frameSchema = z.object({ type: z.string(), data: z.unknown() });

const frame = (type: string, data: unknown) => JSON.stringify({ type, data });

/**
 * One connection, from opening to closing.
 * @returns whether it was ever open, and why it ended
 */
export function holdConnection(
  host: Host,
  settings: PhoneHomeSettings,
  { apiKey }: PhoneHomeCredentials,
  state: SessionState,
  parts: SessionParts,
): Promise<{ readonly opened: boolean; readonly reason: string }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(
      `${settings.url.replace(/^http/, 'ws')}/api/v1/ws?token=${encodeURIComponent(apiKey)}`,
    );
    let opened = false;
    let reason = 'the server closed the connection';
    let quiet = 0;
    let timer: ReturnType<typeof setInterval> | undefined;

    const flush = () => {
      while (state.outbox.length > 0 && socket.readyState === WebSocket.OPEN) {
        socket.send(state.outbox[0] as string);
        state.outbox.shift();
      }
    };
    const beat = () => {
      if (quiet >= deadAfter) {
        reason = `the server was silent for ${quiet} heartbeats`;
        socket.terminate();
        return;
      }
      quiet++;
      socket.send(frame('heartbeat', nodeReport(host, settings.labels)));
      // Answered by the server's end of the connection itself, whatever the server does with heartbeats.
      socket.ping();
    };
    const status = (id: string, phase: string, result: string) => {
      state.outbox.push(frame('command_status', { id, phase, result }));
      state.flush();
    };
    const onCommand = (data: unknown) => {
      const parsed = commandSchema.safeParse(data);
      if (!parsed.success) {
        parts.warn('The server sent a command that is none');
        return;
      }
      const command = parsed.data;
      if (state.seen.has(command.id)) return;
      state.seen.add(command.id);
      for (const oldest of state.seen) {
        if (state.seen.size <= remembered) break;
        state.seen.delete(oldest);
      }
      state.work = state.work
        .then(async () => {
          if (parts.signal.aborted) return;
          parts.tell(`command ${command.id}: ${command.command}`);
          status(command.id, 'Running', '');
          const outcome = await parts.run(command);
          parts.tell(`command ${command.id}: ${outcome.phase}`);
          status(command.id, outcome.phase, outcome.result);
          if (outcome.next) await parts.follow(outcome.next);
        })
        .catch((error: unknown) => parts.warn(`The command ${command.command}: ${reasonOf(error)}`));
    };
    const stop = () => {
      reason = 'this program ends';
      socket.close(1000);
      // A server that does not answer the closing does not hold up the end.
      setTimeout(() => socket.terminate(), 1000).unref();
    };
    parts.signal.addEventListener('abort', stop, { once: true });

    socket.addEventListener('open', () => {
      opened = true;
      parts.tell('connected');
      state.flush = flush;
      beat();
      flush();
      timer = setInterval(beat, settings.heartbeat);
    });
    socket.addEventListener('pong', () => {
      quiet = 0;
    });
    socket.addEventListener('message', ({ data }) => {
      quiet = 0;
      if (typeof data !== 'string' || data.length > maximumFrame) return;
      try {
        const { type, data: content } = frameSchema.parse(JSON.parse(data));
        if (type === 'command') onCommand(content);
      } catch (error) {
        parts.warn(`The server sent something that is no message: ${reasonOf(error).slice(0, 100)}`);
      }
    });
    socket.addEventListener('error', (event) => {
      // The message of the library holds the address, and with it the key.
      const said = 'message' in event ? String(event.message) : '';
      reason = /status code: \d+/.exec(said)?.[0] ?? 'the connection failed';
    });
    socket.addEventListener('close', ({ reason: given }) => {
      clearInterval(timer);
      parts.signal.removeEventListener('abort', stop);
      resolve({ opened, reason: given || reason });
    });
    if (parts.signal.aborted) stop();
  });
}
