import { v7 } from 'uuid';

/** The form of a device id (also of an MQTT client id): 1-128 characters, first one a letter or digit. */
export const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** What {@link DEVICE_ID} asks for, in the words of an error. */
export const DEVICE_ID_FORM = 'deviceId must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit';

/** The form of a command's type: 1-64 characters, the first a letter. */
export const COMMAND_TYPE = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** A new UUIDv7 (RFC 9562). Order of creation is a database sequence, never this id. */
export function newId(): string {
  return v7();
}

/** True where `text` may name a device. `__proto__` and the like fail the first character already. */
export function isDeviceId(text: string): boolean {
  return DEVICE_ID.test(text);
}
