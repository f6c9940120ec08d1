import { Injectable, type PipeTransform } from '@nestjs/common';
import { HttpErrors } from './http.errors.js';
import { isDeviceId } from './ids.js';

/** A device id in the path of a route. Throws VALIDATION_FAILED for what can be none. */
@Injectable()
export class DeviceIdPipe implements PipeTransform<string, string> {
  transform(deviceId: string): string {
    if (isDeviceId(deviceId)) return deviceId;
    const detail = 'deviceId must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit';
    throw HttpErrors.VALIDATION_FAILED(detail, { errors: [{ parameter: 'deviceId', detail, code: 'MATCHES' }] });
  }
}
