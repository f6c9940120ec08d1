import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApp, type TestApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { get, post, type ProblemBody } from '../support/http.js';
import { connectDevice } from '../support/mqtt.js';
import { type CommandBody, newDevice, TestDevice } from './command-client.js';

interface Page {
  readonly items: readonly CommandBody[];
  readonly nextCursor: string | null;
  readonly hasMore: boolean;
}

let signalbox: TestApp;
beforeAll(async () => {
  signalbox = await createTestApp({ MQTT_DEVICE_RATE: '0' });
});
afterAll(async () => {
  await signalbox.close();
});

const list = async (query: string) => (await get<Page>(`${signalbox.httpUrl}/v1/commands?${query}`)).body;
const idsOf = ({ items }: Page) => items.map(({ id }) => id);

async function create(deviceId: string, type = 'X'): Promise<CommandBody> {
  return (await post<CommandBody>(`${signalbox.httpUrl}/v1/devices/${deviceId}/commands`, { type })).body;
}

/** So many commands, one after the other, oldest first. */
async function createSeveral(count: number, deviceId: string): Promise<readonly CommandBody[]> {
  const commands: CommandBody[] = [];
  for (let i = 0; i < count; i++) commands.push(await create(deviceId));
  return commands;
}

describe('GET /v1/commands', () => {
  it('is newest first, and shows each command as GET /v1/commands/{id} does', async () => {
    const deviceId = newDevice();
    const commands = await createSeveral(3, deviceId);
    const page = await list(`deviceId=${deviceId}`);
    expect(idsOf(page)).toEqual(commands.map(({ id }) => id).toReversed());
    expect([page.hasMore, page.nextCursor]).toEqual([false, null]);
    await eventually('both show the same', async () => {
      const [command] = (await list(`deviceId=${deviceId}&limit=1`)).items;
      const { body } = await get(`${signalbox.httpUrl}/v1/commands/${command!.id}`);
      return JSON.stringify(body) === JSON.stringify(command);
    });
  });

  it('filters by devices, states and types, each a list', async () => {
    const [one, two] = [await TestDevice.listen(signalbox, newDevice()), newDevice()];
    const done = await create(one.deviceId, 'A');
    await one.answer((await one.nextCommand()).id, { status: 'succeeded' });
    await eventually('it is final', async () => (await list(`deviceId=${one.deviceId}&status=SUCCEEDED`)).items.length);
    const open = await create(one.deviceId, 'B');
    const other = await create(two, 'C');
    const both = `deviceId=${one.deviceId},${two}`;
    const unfinished = 'PENDING,SENT,DELIVERED';
    expect(idsOf(await list(both))).toEqual([other.id, open.id, done.id]);
    expect(idsOf(await list(`deviceId=${two}`))).toEqual([other.id]);
    expect(idsOf(await list(`${both}&status=SUCCEEDED`))).toEqual([done.id]);
    expect(idsOf(await list(`${both}&status=${unfinished}`))).toEqual([other.id, open.id]);
    expect(idsOf(await list(`${both}&type=A,C`))).toEqual([other.id, done.id]);
    expect(idsOf(await list(`${both}&type=A&status=${unfinished}`))).toEqual([]);
    expect(idsOf(await list(`deviceId=${one.deviceId},${one.deviceId}`))).toEqual([open.id, done.id]);
    expect(idsOf(await list(`deviceId=${newDevice()}`))).toEqual([]);
    await one.end();
  });

  it('filters by the time of creation, the end not included', async () => {
    const deviceId = newDevice();
    const [first] = await createSeveral(1, deviceId);
    await eventually('a millisecond has passed', () => Date.now() > Date.parse(first!.createdAt));
    const [second] = await createSeveral(1, deviceId);
    const [from, to] = [first!.createdAt, second!.createdAt];
    const within = async (query: string) => idsOf(await list(`deviceId=${deviceId}&${query}`));
    expect(await within(`from=${from}&to=${to}`)).toEqual([first!.id]);
    expect(await within(`from=${to}`)).toEqual([second!.id]);
    expect(await within(`to=${from}`)).toEqual([]);
    expect(await within(`from=${Date.parse(to)}`)).toEqual([second!.id]);
    expect(await within(`from=${from}&to=${from}`)).toEqual([]);
    const inParis = new Date(Date.parse(to) + 3_600_000).toISOString().replace('Z', '+01:00');
    expect(await within(`from=${inParis}`)).toEqual([second!.id]); // the + of the zone has become a blank
    expect(await within(`from=${encodeURIComponent(inParis)}`)).toEqual([second!.id]);
  });

  it('has pages that miss and repeat nothing while commands come in, by cursor and by link', async () => {
    const deviceId = newDevice();
    const commands = await createSeveral(10, deviceId);
    const seen: string[] = [];
    let next: string | null = `/v1/commands?deviceId=${deviceId}&limit=3`;
    while (next !== null) {
      const { headers, body }: { headers: Headers; body: Page } = await get<Page>(`${signalbox.httpUrl}${next}`);
      seen.push(...idsOf(body));
      const link: string | null = headers.get('link');
      next = link && /^<(.*)>; rel="next"$/.exec(link)![1]!;
      expect(body.hasMore).toBe(next !== null);
      expect(next && new URL(next, signalbox.httpUrl).searchParams.get('cursor')).toBe(body.nextCursor);
      await create(deviceId);
    }
    expect(seen).toEqual(commands.map(({ id }) => id).toReversed());
  });

  it('has at most 100 in a page unless more are asked for, 1,000 at most', async () => {
    const [one, two] = [newDevice(), newDevice()];
    await Promise.all(Array.from({ length: 120 }, (_, i) => create(i % 2 ? one : two)));
    const page = await list(`deviceId=${one},${two}`);
    expect([page.items.length, page.hasMore]).toEqual([100, true]);
    const all = await list(`deviceId=${one},${two}&limit=1000`);
    expect([all.items.length, all.hasMore]).toEqual([120, false]);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=1e9', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=-1', 'limit'],
    ['status=DONE', 'status'],
    ['status=sent', 'status'],
    ['status=SENT,', 'status'],
    ['status=', 'status'],
    ['status=SENT&status=ACKED', 'status'],
    ['status=toString', 'status'],
    ['type=', 'type'],
    ['type=a/b', 'type'],
    [`type=${Array.from({ length: 101 }, (_, i) => `t${i}`).join(',')}`, 'type'],
    ['deviceId=a/b', 'deviceId'],
    ["deviceId=x' or 1=1", 'deviceId'],
    [`deviceId=${Array.from({ length: 101 }, (_, i) => `d${i}`).join(',')}`, 'deviceId'],
    ['from=yesterday', 'from'],
    ['from=2026-01-01T00:00:00', 'from'],
    ['from=300000-01-01T00:00:00Z', 'from'],
    ['from=1e300', 'from'],
    ['from=', 'from'],
    ['to=1&to=2', 'to'],
    ['from=2&to=1', 'from'],
    ['cursor=x', 'cursor'],
    ['cursor=', 'cursor'],
    ['order=asc', 'order'],
    ['toString=1', 'toString'],
  ])('refuses %s', async (query, parameter) => {
    const { status, body } = await get<ProblemBody>(`${signalbox.httpUrl}/v1/commands?${query}`);
    expect([status, body.errors]).toEqual([400, [expect.objectContaining({ parameter })]]);
  });

  it('refuses a cursor with other filters, or one that was tampered with', async () => {
    const deviceId = newDevice();
    await createSeveral(2, deviceId);
    const { nextCursor } = await list(`deviceId=${deviceId}&limit=1`);
    const other = await get<ProblemBody>(`${signalbox.httpUrl}/v1/commands?limit=1&cursor=${nextCursor!}`);
    expect([other.status, other.body.code]).toEqual([400, 'CURSOR_MISMATCH']);
    const tampered = `${nextCursor!.slice(0, -4)}AAAA`;
    const bad = await get<ProblemBody>(`${signalbox.httpUrl}/v1/commands?deviceId=${deviceId}&cursor=${tampered}`);
    expect([bad.status, bad.body.code]).toEqual([400, 'BAD_CURSOR']);
  });
});

describe('GET /v1/devices/{deviceId}/commands', () => {
  const url = (deviceId: string, query = '') => `${signalbox.httpUrl}/v1/devices/${deviceId}/commands${query}`;

  it('is the same list, of one device', async () => {
    const [deviceId, other] = [newDevice(), newDevice()];
    const [first, second] = await createSeveral(2, deviceId);
    await create(other);
    const page = (await get<Page>(url(deviceId, '?limit=1'))).body;
    expect([idsOf(page), page.hasMore]).toEqual([[second!.id], true]);
    const { headers, body } = await get<Page>(url(deviceId, `?limit=1&cursor=${page.nextCursor!}`));
    expect([idsOf(body), body.hasMore, headers.get('link')]).toEqual([[first!.id], false, null]);
    expect(idsOf((await get<Page>(url(deviceId, '?status=EXPIRED'))).body)).toEqual([]);
  });

  it('answers 404 for a device that there is not, and an empty page for one without commands', async () => {
    const { status, body } = await get<ProblemBody>(url(newDevice()));
    expect([status, body.code]).toEqual([404, 'DEVICE_UNKNOWN']);
    const device = await connectDevice(signalbox.mqttUrl);
    const deviceId = newDevice();
    await device.publish(`devices/${deviceId}/up/telemetry`, '{"t": 1}');
    await device.end();
    expect((await get(url(deviceId))).body).toEqual({ items: [], nextCursor: null, hasMore: false });
  });

  it('answers 400 for an id that can be none of a device', async () => {
    expect((await get(url('a%2Fb'))).status).toBe(400);
  });

  it('does not take another device as a parameter', async () => {
    const { status, body } = await get<ProblemBody>(url(newDevice(), '?deviceId=x'));
    expect([status, body.errors]).toEqual([400, [expect.objectContaining({ parameter: 'deviceId' })]]);
  });
});
