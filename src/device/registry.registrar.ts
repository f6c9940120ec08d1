import { Injectable } from '@nestjs/common';
import { type Actor, type Principal, sees } from '../common/access.js';
import { DomainError, isPassing } from '../common/errors.js';
import { HttpErrors } from '../common/http.errors.js';
import { hashOf, newKeyId, newSecret } from '../common/secrets.js';
import { auditEntry } from '../storage/audit-entry.js';
import { StatementError } from '../storage/storage.errors.js';
import { CHANGE_OF_SEVERAL, changeOf } from './registry.change.js';
import type { IssuedCredential, NewDevice } from './registry.device.js';
import { RegistryErrors } from './registry.errors.js';
import { RegistryRepository } from './registry.repository.js';
import { insertCredentials, insertDevices } from './registry.statements.js';
import { RegistryWatch } from './registry.watch.js';

/** A device that was created, and what it logs in with. */
export interface CreatedDevice {
  readonly id: string;
  readonly credential: IssuedCredential;
}

interface Candidate {
  readonly device: NewDevice;
  readonly credential: IssuedCredential;
}

/** Creates devices. */
@Injectable()
export class Registrar {
  constructor(
    private readonly devices: RegistryRepository,
    private readonly watch: RegistryWatch,
  ) {}

  /** Creates a device with a credential. Throws FORBIDDEN, DEVICE_EXISTS, FOLLOWER_UNAVAILABLE, STORAGE_UNAVAILABLE. */
  async create(device: NewDevice, caller: Principal, actor: Actor): Promise<CreatedDevice> {
    const [created] = await this.createAll([device], caller, actor);
    if (created instanceof DomainError) throw created;
    return created!;
  }

  /**
   * Creates each of the devices, or says what was in the way of that one (as {@link create} throws it); in the order given. They
   * are stored together, so hand in some hundred at most.
   */
  async createAll(
    devices: readonly NewDevice[],
    caller: Principal,
    actor: Actor,
  ): Promise<(CreatedDevice | DomainError)[]> {
    const known = new Set((await this.devices.findAll(devices.map(({ id }) => id))).keys());
    // With the id of a device that is gone they would get what that one sent, which may never have been theirs to see.
    if (caller.tags !== null) {
      for (const { id } of devices) if (!known.has(id) && (await this.devices.hasHistory(id))) known.add(id);
    }
    const outcomes = new Map<NewDevice, CreatedDevice | DomainError>();
    const candidates: Candidate[] = [];
    for (const device of devices) {
      const problem = refusalOf(device, caller, known);
      known.add(device.id);
      if (problem) outcomes.set(device, problem);
      else candidates.push({ device, credential: { id: newKeyId(), secret: newSecret() } });
    }
    const announced = await Promise.all(candidates.map((candidate) => this.announce(candidate, outcomes)));
    await this.store(
      candidates.filter((_, i) => announced[i]),
      actor,
      outcomes,
    );
    return devices.map((device) => outcomes.get(device)!);
  }

  private async announce(
    { device, credential }: Candidate,
    outcomes: Map<NewDevice, CreatedDevice | DomainError>,
  ): Promise<boolean> {
    try {
      await this.watch.announce(device.id, credential.secret);
      return true;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      outcomes.set(device, error);
      return false;
    }
  }

  /** All in one job; where one of them cannot be stored, each by itself. */
  private async store(
    candidates: readonly Candidate[],
    actor: Actor,
    outcomes: Map<NewDevice, CreatedDevice | DomainError>,
  ): Promise<void> {
    if (candidates.length === 0) return;
    try {
      await this.write(candidates, actor);
    } catch (error) {
      if (error instanceof StatementError && candidates.length > 1) {
        for (const candidate of candidates) await this.store([candidate], actor, outcomes);
        return;
      }
      for (const { device } of candidates) {
        this.watch.takeBack(device.id);
        outcomes.set(device, await this.reasonOf(error, device.id));
      }
      return;
    }
    for (const { device, credential } of candidates) outcomes.set(device, { id: device.id, credential });
  }

  private async write(candidates: readonly Candidate[], actor: Actor): Promise<void> {
    const { sql } = this.devices.database;
    const at = Date.now();
    const devices = candidates.map(({ device }) => device).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const credentials = candidates.map(({ device, credential }) => ({
      id: credential.id,
      deviceId: device.id,
      hash: hashOf(credential.secret),
    }));
    await this.watch.change(
      [
        ...insertDevices(sql, devices, at),
        insertCredentials(sql, credentials, at),
        ...devices.map(({ id }) => auditEntry(sql, actor, 'device.create', id)),
      ],
      devices.length === 1 ? changeOf(devices[0]!.id) : CHANGE_OF_SEVERAL,
    );
  }

  /** Another request, or the device itself, may have been faster. */
  private async reasonOf(error: unknown, id: string): Promise<DomainError> {
    if (error instanceof StatementError && (await this.devices.find(id))) return exists();
    if (error instanceof DomainError && isPassing(error)) return error;
    throw error;
  }
}

function refusalOf({ id, tags }: NewDevice, caller: Principal, known: ReadonlySet<string>): DomainError | null {
  if (!sees(caller, tags)) return HttpErrors.FORBIDDEN('The device must carry the tags that this key is limited to.');
  return known.has(id) ? exists() : null;
}

function exists(): DomainError {
  return RegistryErrors.DEVICE_EXISTS(
    'There is a device with this id already, or there was one, and the caller may not see what it left.',
  );
}
