import type { Tags } from '../common/access.js';
import { formatTime } from '../common/clock.js';
import type { DeviceLink } from '../storage/log.js';
import { type PresenceBody, presenceBody } from './presence.http.controller.js';
import type { DevicePresence } from './presence.js';
import type { RegistryEntry } from './registry.device.js';
import type { KeptCredential } from './registry.repository.js';

/** What is counted of a device. `openCommands`: those that have not ended; `rejects`: those that are kept now. */
export interface DeviceCounts {
  readonly openCommands: number;
  readonly rejects: number;
}

/** A device as the API shows it. */
export interface DeviceResource {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly tags: Tags;
  readonly enabled: boolean;
  readonly approved: boolean;
  readonly link: DeviceLink;
  readonly presence: PresenceBody;
  readonly createdAt: string;
  readonly lastSeen: string | null;
  readonly counts: DeviceCounts;
}

/** A credential as the API shows it: neither the secret nor its hash. */
export interface CredentialResource {
  readonly id: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** Shows a device. */
export function deviceResource(entry: RegistryEntry, presence: DevicePresence, counts: DeviceCounts): DeviceResource {
  const { id, name, type, tags, enabled, approved, link, createdAt } = entry;
  return {
    id,
    name,
    type,
    tags,
    enabled,
    approved,
    link,
    presence: presenceBody(presence),
    createdAt: formatTime(createdAt),
    lastSeen: timeOrNull(presence.lastSeen),
    counts,
  };
}

/** Shows a credential. */
export function credentialResource({ id, createdAt, expiresAt }: KeptCredential): CredentialResource {
  return { id, createdAt: formatTime(createdAt), expiresAt: timeOrNull(expiresAt) };
}

function timeOrNull(time: number | null): string | null {
  return time === null ? null : formatTime(time);
}
