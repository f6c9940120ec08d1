import { Injectable } from '@nestjs/common';
import { type Actor, type Principal, sees } from '../common/access.js';
import { allowsChange } from '../common/entity-tag.js';
import { HttpErrors } from '../common/http.errors.js';
import { Turns } from '../common/turns.js';
import { auditEntry } from '../storage/audit-entry.js';
import type { Statement } from '../storage/database.js';
import { StatementError } from '../storage/storage.errors.js';
import { changeOf } from './registry.change.js';
import { type DevicePatch, isSame, patched, type RegistryEntry } from './registry.device.js';
import { RegistryErrors } from './registry.errors.js';
import { etagOf } from './registry.etag.js';
import { RegistryRepository } from './registry.repository.js';
import { RegistryService } from './registry.service.js';
import { deleteDevice, demand, isAt, locked, replaceTags } from './registry.statements.js';
import { RegistryWatch } from './registry.watch.js';

/** How often a change is tried that other replicas were faster than. */
const MOST_TRIES = 20;

/** Who wants to change a device, and in which state only: `ifMatch` as the header has it. */
export interface EditOptions {
  readonly caller: Principal;
  readonly actor: Actor;
  readonly ifMatch?: string | undefined;
}

/** Changes devices. Every change is made to the version that it was judged by, so that none is lost and none is made blindly. */
@Injectable()
export class RegistryEditor {
  private readonly turns = new Turns();

  constructor(
    private readonly registry: RegistryService,
    private readonly devices: RegistryRepository,
    private readonly watch: RegistryWatch,
  ) {}

  /**
   * Applies the patch; where that changes nothing, nothing is written. Throws DEVICE_UNKNOWN, PRECONDITION_FAILED,
   * VALIDATION_FAILED, FORBIDDEN where the device would leave the caller's tags, and STORAGE_UNAVAILABLE.
   */
  update(id: string, patch: DevicePatch, options: EditOptions): Promise<RegistryEntry> {
    return this.edit(id, options, (before) => {
      const after = patched(before, patch);
      if (!sees(options.caller, after.tags)) {
        throw HttpErrors.FORBIDDEN('The device must keep the tags that this key is limited to.');
      }
      return after;
    });
  }

  /** The device may send from now on; one that may already stays as it is. Throws DEVICE_UNKNOWN and STORAGE_UNAVAILABLE. */
  approve(id: string, options: EditOptions): Promise<RegistryEntry> {
    return this.edit(id, options, (before) => ({ ...before, approved: true }));
  }

  /**
   * The first step of a removal: nothing more is taken from the device, and it cannot log in; who is logged in stays so until
   * {@link RegistryWatch.endAll}. Throws DEVICE_UNKNOWN, PRECONDITION_FAILED, STORAGE_UNAVAILABLE.
   */
  async close(id: string, options: EditOptions): Promise<RegistryEntry> {
    const { sql } = this.devices.database;
    const credentials = sql.deleteFrom('credentials').where('device_id', '=', id).compile();
    return this.edit(id, options, (before) => ({ ...before, enabled: false }), [credentials]);
  }

  /** The last step: removes all that is kept of the device. */
  async remove(id: string, actor: Actor): Promise<void> {
    const { sql } = this.devices.database;
    const job = [...deleteDevice(sql, id), auditEntry(sql, actor, 'device.delete', id)];
    await this.watch.change(job, { deviceId: id, ended: 'all' });
  }

  private edit(
    id: string,
    options: EditOptions,
    apply: (before: RegistryEntry) => RegistryEntry,
    alongside: readonly Statement[] = [],
  ): Promise<RegistryEntry> {
    return this.turns.take(id, () => this.tryEdit(id, options, apply, alongside));
  }

  private async tryEdit(
    id: string,
    { caller, actor, ifMatch }: EditOptions,
    apply: (before: RegistryEntry) => RegistryEntry,
    alongside: readonly Statement[],
  ): Promise<RegistryEntry> {
    for (let tries = 1; ; tries++) {
      const before = await this.registry.requireEntry(caller, id);
      if (!allowsChange(ifMatch, etagOf(before))) {
        throw RegistryErrors.PRECONDITION_FAILED('The device is not as If-Match says: read it again.');
      }
      const after = apply(before);
      if (alongside.length === 0 && isSame(before, after) && before.approved === after.approved) {
        // What disabled it may have been committed although it was said to have failed.
        if (!after.enabled) this.watch.end({ deviceId: id, credentialId: null });
        return before;
      }
      try {
        await this.store(before, after, actor, alongside);
        return { ...after, version: before.version + 1 };
      } catch (error) {
        const wasFaster = error instanceof StatementError && (await this.devices.entry(id))?.version !== before.version;
        if (!wasFaster || tries === MOST_TRIES) throw error;
      }
    }
  }

  private async store(
    before: RegistryEntry,
    after: RegistryEntry,
    actor: Actor,
    alongside: readonly Statement[],
  ): Promise<void> {
    const { id, name, type, enabled, approved, link } = after;
    const { database } = this.devices;
    const { sql } = database;
    const change = sql
      .updateTable('devices')
      .set({
        name,
        type,
        enabled: enabled ? 1 : 0,
        approved: approved ? 1 : 0,
        version: before.version + 1,
        // It may have shown itself natively since it was read.
        ...(link === before.link ? {} : { link }),
      })
      .where('id', '=', id)
      .compile();
    await this.watch.change(
      [
        ...locked(database, id),
        demand(sql, isAt(before)),
        change,
        ...replaceTags(sql, id, before.tags, after.tags),
        ...alongside,
        ...actionsOf(before, after).map((action) => auditEntry(sql, actor, action, id)),
      ],
      // A removal ends the logins itself, once the device was told that its commands are cancelled.
      { ...changeOf(id), ended: before.enabled && !enabled && alongside.length === 0 ? 'all' : [] },
    );
  }
}

function actionsOf(before: RegistryEntry, after: RegistryEntry): string[] {
  const actions: string[] = [];
  if (!isSame({ ...before, enabled: after.enabled }, after)) actions.push('device.update');
  if (before.enabled !== after.enabled) actions.push(after.enabled ? 'device.enable' : 'device.disable');
  if (!before.approved && after.approved) actions.push('device.approve');
  return actions;
}
