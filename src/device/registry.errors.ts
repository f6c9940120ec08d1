import { defineErrors } from '../common/errors.js';

/** Errors of changes to the registry. */
export const RegistryErrors = defineErrors({
  BAD_CSV: { status: 400, title: 'This is not acceptable CSV' },
  TOO_MANY_LINES: { status: 400, title: 'There are too many lines' },
  CREDENTIAL_UNKNOWN: { status: 404, title: 'The device has no such credential' },
  DEVICE_EXISTS: { status: 409, title: 'There is a device with this id already' },
  PRECONDITION_FAILED: { status: 412, title: 'The device is not as it was when it was read' },
  FOLLOWER_UNAVAILABLE: { status: 503, title: 'The broker could not be told of the login' },
});
