import type { PresenceBody } from '../../../src/device/presence.http.controller.js';
import type { TestApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { get } from '../../support/http.js';

/** A change of presence, as the log has it. */
export interface LoggedChange {
  readonly state: string;
  readonly reason: string;
  readonly source: string;
  readonly session: string | null;
  readonly since: string;
}

/** What GET /v1/devices/{id}/presence says of the device. */
export async function presenceOf({ httpUrl }: Pick<TestApp, 'httpUrl'>, id: string): Promise<PresenceBody> {
  const { status, body } = await get<PresenceBody>(`${httpUrl}/v1/devices/${id}/presence`);
  if (status !== 200) throw new Error(`presence of ${id}: ${status}`);
  return body;
}

/** The changes of presence of the device in the log, in their order, each with its state as the type of the event. */
export async function changesOf({ database }: Pick<TestApp, 'database'>, id: string): Promise<readonly LoggedChange[]> {
  const rows = await database.point
    .selectFrom('events')
    .selectAll()
    .where('device_id', '=', id)
    .where('kind', '=', 'presence')
    .orderBy('position')
    .execute();
  return rows.map(({ type, ts, body }) => {
    const change = JSON.parse(body) as LoggedChange;
    if (type !== change.state || ts !== Date.parse(change.since)) throw new Error(`type ${type}, ts ${ts}: ${body}`);
    return change;
  });
}

/** Waits until the log has `count` changes of the device, and all that is known of it is told; resolves with `state reason` of each. */
export async function toldOf(app: Pick<TestApp, 'database'>, id: string, count: number): Promise<readonly string[]> {
  await eventually(`${count} changes of ${id} are in the log`, async () => {
    const changes = await changesOf(app, id);
    if (changes.length < count) throw new Error(`${changes.length} of ${count}: ${JSON.stringify(changes)}`);
    return true;
  });
  await allTold(app);
  return (await changesOf(app, id)).map(({ state, reason }) => `${state} ${reason}`);
}

/** Resolves when no change waits to be told. */
export async function allTold({ database }: Pick<TestApp, 'database'>): Promise<void> {
  await eventually('all changes are told', async () => {
    const waiting = await database.point.selectFrom('presence_changes').select('seq').execute();
    return waiting.length === 0;
  });
}
