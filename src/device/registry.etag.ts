import type { RegistryEntry } from './registry.device.js';

/**
 * The entity tag (RFC 9110, 8.8.3) of what users change of a device. A device that is created again under the id of another has
 * another one.
 */
export function etagOf({ createdAt, version }: Pick<RegistryEntry, 'createdAt' | 'version'>): string {
  return `"${createdAt.toString(36)}-${version}"`;
}
