/** What a check found. */
export interface Finding {
  /** Stable, for scripts: `kernel`, `verity`. */
  readonly id: string;
  readonly status: 'ok' | 'warning' | 'failed';
  /** What was found. */
  readonly message: string;
  /** The way out; on every finding that is not `ok`. */
  readonly hint?: string;
}

export const ok = (id: string, message: string): Finding => ({ id, status: 'ok', message });
export const warning = (id: string, message: string, hint: string): Finding => ({
  id,
  status: 'warning',
  message,
  hint,
});
export const failed = (id: string, message: string, hint: string): Finding => ({
  id,
  status: 'failed',
  message,
  hint,
});
