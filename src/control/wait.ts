/** Longest wait for a command in a request, in seconds. */
export const MAX_WAIT_S = 60;

/** The whole seconds, 0 to 60, that `text` says, or null where it says anything else. */
export function waitSeconds(text: string): number | null {
  return /^\d{1,9}$/.test(text) && Number(text) <= MAX_WAIT_S ? Number(text) : null;
}
