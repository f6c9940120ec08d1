import { Injectable, type PipeTransform } from '@nestjs/common';
import { HttpErrors } from './http.errors.js';
import { DEVICE_ID_FORM, isDeviceId } from './ids.js';

/** A device id in the path of a route. Throws VALIDATION_FAILED for what can be none. */
@Injectable()
export class DeviceIdPipe implements PipeTransform<string, string> {
  transform(deviceId: string): string {
    if (isDeviceId(deviceId)) return deviceId;
    const detail = DEVICE_ID_FORM;
    throw HttpErrors.VALIDATION_FAILED(detail, { errors: [{ parameter: 'deviceId', detail, code: 'MATCHES' }] });
  }
}
