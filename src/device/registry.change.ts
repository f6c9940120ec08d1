/** What others must know of a change to the registry. `deviceId` null: of several devices, or some changes were missed. */
export interface RegistryChange {
  readonly deviceId: string | null;
  /** Which logins of the device have ended: those with these credentials, or all of them. */
  readonly ended: readonly string[] | 'all';
}

/** Something of several devices has changed, and no login has ended. */
export const CHANGE_OF_SEVERAL: RegistryChange = { deviceId: null, ended: [] };

const SEVERAL = '*';
const ALL = '*';

/** The device has changed, and no login of it has ended. */
export function changeOf(deviceId: string): RegistryChange {
  return { deviceId, ended: [] };
}

/** The change as the detail of a piece of news. `author`: names the process. No id holds a blank, and none of a device or credential is a star. */
export function newsOf({ deviceId, ended }: RegistryChange, author: string): string {
  return [author, deviceId ?? SEVERAL, ...(ended === 'all' ? [ALL] : ended)].join(' ');
}

/** The change that a piece of news tells of, and whose it is; null is news of a gap. */
export function readNews(detail: string | null): { readonly author: string | null; readonly change: RegistryChange } {
  const [author = null, deviceId = SEVERAL, ...ended] = detail?.split(' ') ?? [];
  if (deviceId === SEVERAL) return { author, change: CHANGE_OF_SEVERAL };
  return { author, change: { deviceId, ended: ended[0] === ALL ? 'all' : ended } };
}
