import { IsBoolean, IsIn, Matches, ValidateIf } from 'class-validator';
import { IsTagsPatch } from '../../common/is-tags.js';
import { Optional } from '../../common/optional.js';
import { printable } from '../../common/printable.js';
import type { DeviceLink } from '../../storage/log.js';
import type { DevicePatch } from '../registry.device.js';
import { DEVICE_TYPE, NAME, TYPE } from './create-device.dto.js';

/** Present, and not the null that removes it. */
const unlessRemoved = (_: unknown, value: unknown): boolean => value !== undefined && value !== null;

/** Body of `PATCH /v1/devices/{id}`: a merge patch (RFC 7396). */
export class PatchDeviceDto implements DevicePatch {
  @ValidateIf(unlessRemoved)
  @Matches(printable(128), NAME)
  readonly name?: string | null;

  @ValidateIf(unlessRemoved)
  @Matches(DEVICE_TYPE, TYPE)
  readonly type?: string | null;

  @ValidateIf(unlessRemoved)
  @IsTagsPatch()
  readonly tags?: Readonly<Record<string, string | null>> | null;

  @Optional()
  @IsBoolean({ message: 'enabled must be true or false' })
  readonly enabled?: boolean;

  @Optional()
  @IsIn(['native', 'foreign'], { message: 'link must be native or foreign' })
  readonly link?: DeviceLink;
}
