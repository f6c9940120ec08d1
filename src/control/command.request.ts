import { HttpErrors } from '../common/http.errors.js';
import type { DeviceLink } from '../storage/log.js';
import { type CommandRequest, MAX_METADATA_BYTES, MAX_PARAMS_BYTES } from './command.js';
import { ControlErrors } from './control.errors.js';

/** More than this is no command that is a little too large, but something else; in bytes of JSON. */
const MAX_REQUEST_BYTES = 262_144;

/** Throws BAD_COMMAND for what only the whole request shows, and BODY_TOO_LARGE where it is beyond all bounds. */
export function refuseBadRequest({ params, metadata }: CommandRequest, link: DeviceLink): void {
  refuseLarge('params', params, MAX_PARAMS_BYTES);
  refuseLarge('metadata', metadata, MAX_METADATA_BYTES);
  if (link === 'foreign' && Object.hasOwn(params, 'command')) {
    throw badCommand('params', 'params may not hold "command": this device gets the command under that name');
  }
}

function refuseLarge(name: 'params' | 'metadata', value: object, most: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > MAX_REQUEST_BYTES) {
    throw HttpErrors.BODY_TOO_LARGE(`A command has at most ${most} bytes of ${name} as JSON.`);
  }
  if (bytes > most) throw badCommand(name, `${name} may have at most ${most} bytes as JSON`);
}

function badCommand(name: string, detail: string): Error {
  const code = `BAD_${name.toUpperCase()}`;
  return ControlErrors.BAD_COMMAND(`${detail}.`, { errors: [{ pointer: `/${name}`, detail, code }] });
}
