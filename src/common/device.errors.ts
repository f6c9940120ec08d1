import { defineErrors } from './errors.js';

/** Errors of whatever names a device: readings, commands, the device itself. */
export const DeviceErrors = defineErrors({
  DEVICE_UNKNOWN: { status: 404, title: 'There is no such device' },
});
