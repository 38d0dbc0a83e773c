import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';

/** Where the new root is mounted, in a mount namespace of its own. */
const mountPoint = '/run/cos/new-root';

/** How long the new image's agent may take, in milliseconds. */
const timeout = 120_000;

/*
 * The mounts are in a namespace that goes with the process, however it ends. What the node keeps its configuration in is
 * seen by the new image's agent where it will be seen after the restart, and cannot be changed by it.
 */
const script = `set -e
mount -t "$2" -o ro,loop "$1" "$3"
mount --bind /proc "$3/proc"
mount --bind /dev "$3/dev"
for place in oem usr/local; do
  if [ -d "/$place" ] && [ -d "$3/$place" ]; then
    mount --bind "/$place" "$3/$place"
    mount -o remount,bind,ro "$3/$place"
  fi
done
exec chroot "$3" /usr/bin/kairos-agent config show --json
`;

const answerSchema = z.looseObject({
  problems: z.array(
    z.looseObject({
      severity: z.enum(['error', 'warning', 'info', 'notice']).or(z.string()),
      message: z.string(),
      hint: z.string().optional(),
      position: z.looseObject({ file: z.string(), line: z.number(), column: z.number() }),
    }),
  ),
});

export interface NewImageCheck {
  /** The root image of the slot, which was read back from the disk. */
  readonly rootImage: string;
  readonly filesystem: string;
  /** Errors are warnings. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/**
 * Has the node's configuration checked by the agent of a new image, before it is given a name: a key that the new schema
 * no longer has is found here and not after the restart.
 * @throws KairosError `CONFIG_INVALID_FOR_IMAGE`
 */
export async function checkConfigWithImage(host: Host, check: NewImageCheck): Promise<void> {
  const { force, warn } = check;
  host.files.makeDirectory(mountPoint);
  let answer: z.infer<typeof answerSchema>;
  try {
    const { stdout } = await host.run(
      [
        ...(['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', script, 'sh'] as const),
        ...[host.files.real(check.rootImage), check.filesystem, host.files.real(mountPoint)],
      ],
      { timeout, signal: check.signal, env: { NO_COLOR: '1', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
    );
    answer = answerSchema.parse(JSON.parse(stdout));
  } catch (error) {
    if (check.signal.aborted) throw error;
    warn(`The configuration could not be checked by the new image: ${reasonOf(error).split('\n')[0]}`);
    return;
  }
  const told = answer.problems.map(({ severity, message, hint, position: at }) => ({
    isError: severity === 'error',
    text: `${at.file}:${at.line}:${at.column}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
  }));
  const errors = told.filter(({ isError }) => isError);
  for (const { isError, text } of told) if (!isError || force) warn(`For the new image: ${text}`);
  const [first] = answer.problems.filter(({ severity }) => severity === 'error');
  if (force || first === undefined) return;
  throw new KairosError(
    'CONFIG_INVALID_FOR_IMAGE',
    `The new image does not take the configuration of this node:\n${errors.map(({ text }) => text).join('\n')}`,
    {
      exit: 'invalidInput',
      position: first.position,
      hint: 'Mend it, or say --force; the image is copied already and is not fetched again',
      details: { errors: errors.length },
    },
  );
}
