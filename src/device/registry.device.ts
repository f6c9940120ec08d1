import type { Tags } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import { MOST_TAGS } from '../common/tags.js';
import type { DeviceLink } from '../storage/log.js';

/** What the registry says of a device as far as others must know before they deal with it. */
export interface RegisteredDevice {
  readonly id: string;
  readonly link: DeviceLink;
  readonly enabled: boolean;
  readonly approved: boolean;
}

/** All that the registry says of a device. Times in epoch milliseconds; `version` rises with every change by a user. */
export interface RegistryEntry extends RegisteredDevice {
  readonly name: string | null;
  readonly type: string | null;
  readonly tags: Tags;
  readonly createdAt: number;
  readonly version: number;
}

/** A device that is to be created. */
export interface NewDevice {
  readonly id: string;
  readonly name: string | null;
  readonly type: string | null;
  readonly tags: Tags;
}

/** What a device logs in with. The secret is told once. */
export interface IssuedCredential {
  readonly id: string;
  readonly secret: string;
}

/** A change of a device as a merge patch (RFC 7396): what is absent stays, null removes. */
export interface DevicePatch {
  readonly name?: string | null;
  readonly type?: string | null;
  readonly tags?: Readonly<Record<string, string | null>> | null;
  readonly enabled?: boolean;
  readonly link?: DeviceLink;
}

/** The device as the patch makes it; the version is as before. Throws VALIDATION_FAILED where it would have more than {@link MOST_TAGS} tags. */
export function patched(device: RegistryEntry, patch: DevicePatch): RegistryEntry {
  const { name = device.name, type = device.type, enabled = device.enabled, link = device.link } = patch;
  const tags = patch.tags === undefined ? device.tags : mergedTags(device.tags, patch.tags);
  if (Object.keys(tags).length > MOST_TAGS) {
    const detail = `the device would have more than ${MOST_TAGS} tags`;
    const errors = [{ pointer: '/tags', detail, code: 'TOO_MANY_TAGS' }];
    throw HttpErrors.VALIDATION_FAILED(`With this patch ${detail}.`, { errors });
  }
  return { ...device, name, type, tags, enabled, link };
}

/** True where nothing that a user may change differs. */
export function isSame(a: RegistryEntry, b: RegistryEntry): boolean {
  if (a.name !== b.name || a.type !== b.type || a.enabled !== b.enabled || a.link !== b.link) return false;
  const keys = Object.keys(a.tags);
  // `hasOwn`, because every object inherits a `constructor`.
  return (
    keys.length === Object.keys(b.tags).length &&
    keys.every((key) => Object.hasOwn(b.tags, key) && a.tags[key] === b.tags[key])
  );
}

function mergedTags(before: Tags, patch: NonNullable<DevicePatch['tags']> | null): Tags {
  if (patch === null) return {};
  const all = new Map<string, string | null>([...Object.entries(before), ...Object.entries(patch)]);
  return Object.fromEntries([...all].filter((entry): entry is [string, string] => entry[1] !== null));
}
