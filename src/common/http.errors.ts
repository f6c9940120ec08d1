import { defineErrors } from './errors.js';

/** What can be wrong with any request, whatever the route. */
export const HttpErrors = defineErrors({
  BAD_REQUEST: { status: 400, title: 'The request cannot be read' },
  BAD_JSON: { status: 400, title: 'The body is not acceptable JSON' },
  VALIDATION_FAILED: { status: 400, title: 'Some values in the request are not valid' },
  UNAUTHORIZED: { status: 401, title: 'A valid login is needed' },
  OPEN_MODE: { status: 403, title: 'Refused in open mode' },
  FORBIDDEN: { status: 403, title: 'This may not be done with this login' },
  UPGRADE_REFUSED: { status: 403, title: 'This WebSocket is refused' },
  NOT_FOUND: { status: 404, title: 'There is nothing at this address' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body has a type or encoding that is not accepted' },
  UPGRADE_REQUIRED: { status: 426, title: 'This port is for WebSockets only' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large' },
  INTERNAL: { status: 500, title: 'Something went wrong inside Signalbox' },
  STOPPING: { status: 503, title: 'Signalbox is stopping' },
});
