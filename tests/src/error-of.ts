import { KairosError } from '@kairos/facts/errors';

/** The KairosError that it ends with; another error is thrown on. */
export async function errorOf(promise: Promise<unknown>): Promise<KairosError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof KairosError) return error;
  throw error ?? new Error('expected an error');
}
