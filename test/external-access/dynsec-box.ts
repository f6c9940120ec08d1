import { expect } from '@jest/globals';
import { type RequiredApp, requestsWith, bearer, startRequired } from '../support/access.js';
import { eventually } from '../support/eventually.js';
import type { DynsecBroker } from './dynsec-broker.js';

/** What is said of logins in GET /v1/capabilities. */
export interface Logins {
  readonly kept: string;
  readonly overlap: boolean;
  readonly needCredential: number | null;
  readonly taken: number | null;
}

interface Credential {
  readonly id: string;
  readonly secret: string;
}

/** The registry over REST, with the admin key. */
export class Registry {
  private readonly admin;

  constructor(url: string, key: string) {
    this.admin = requestsWith(url, bearer(key));
  }

  /** POST /v1/devices, whatever becomes of it. */
  tryCreate(id: string) {
    return this.admin.post<{ readonly credential: Credential; readonly code?: string }>('/v1/devices', { id });
  }

  /** Resolves with the credential of a new device. */
  async create(id: string): Promise<Credential> {
    const { status, body } = await this.tryCreate(id);
    expect([status, body.code]).toEqual([201, undefined]);
    return body.credential;
  }

  async rotate(id: string): Promise<Credential> {
    const { status, body } = await this.admin.post<Credential>(`/v1/devices/${id}/credentials`, {});
    expect(status).toBe(201);
    return body;
  }

  async revoke(id: string, credential: string): Promise<void> {
    expect((await this.admin.delete(`/v1/devices/${id}/credentials/${credential}`)).status).toBe(204);
  }

  async enable(id: string, enabled: boolean): Promise<void> {
    expect((await this.admin.patch(`/v1/devices/${id}`, { enabled })).status).toBe(200);
  }

  async remove(id: string): Promise<void> {
    expect((await this.admin.delete(`/v1/devices/${id}`)).status).toBe(204);
  }

  async has(id: string): Promise<boolean> {
    return (await this.admin.get(`/v1/devices/${id}`)).status === 200;
  }

  async logins(): Promise<Logins> {
    return (await this.admin.get<{ readonly logins: Logins }>('/v1/capabilities')).body.logins;
  }

  /** Resolves when the last look at the broker found so many devices that need a credential. */
  async needing(count: number): Promise<void> {
    const now = async () => (await this.logins()).needCredential === count;
    await eventually(`${count} devices need a credential`, now, 30_000);
  }
}

/** Signalbox with access required, that keeps the accounts of this broker. */
export async function startDynsecBox(
  broker: DynsecBroker,
  settings: Record<string, string> = {},
): Promise<RequiredApp & { readonly registry: Registry }> {
  const box = await startRequired({ ...broker.settings, ...settings });
  return { ...box, registry: new Registry(box.httpUrl, box.adminKey) };
}

export type DynsecBox = Awaited<ReturnType<typeof startDynsecBox>>;
