import { defineErrors } from './errors.js';

/** Errors of whatever names a device: readings, commands, the device itself. */
export const DeviceErrors = defineErrors({
  DEVICE_UNKNOWN: { status: 404, title: 'There is no such device' },
  DEVICE_PENDING: { status: 409, title: 'The device waits for its approval' },
  DEVICE_DISABLED: { status: 409, title: 'The device is disabled' },
});
