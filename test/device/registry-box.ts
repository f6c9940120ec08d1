import type { Requests } from '../support/access.js';

/** A device as REST shows it. */
export interface ShownDevice {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  readonly approved: boolean;
  readonly link: string;
  readonly presence: { readonly state: string };
  readonly createdAt: string;
  readonly lastSeen: string | null;
  readonly counts: { readonly openCommands: number; readonly rejects: number };
}

export interface ShownCredential {
  readonly id: string;
  readonly secret: string;
}

export type CreatedDevice = ShownDevice & { readonly credential: ShownCredential };

export interface DevicePage {
  readonly items: readonly ShownDevice[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

/** The ids of all devices of a list, page by page. */
export async function idsOf(requests: Requests, query: string): Promise<string[][]> {
  const pages: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { status, body } = await requests.get<DevicePage>(`/v1/devices?${query}${after}`);
    if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
    pages.push(body.items.map(({ id }) => id));
    cursor = body.nextCursor;
  }
  return pages;
}
