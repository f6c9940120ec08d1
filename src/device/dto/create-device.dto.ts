import { Matches } from 'class-validator';
import type { Tags } from '../../common/access.js';
import { DEVICE_ID } from '../../common/ids.js';
import { IsTags } from '../../common/is-tags.js';
import { Optional } from '../../common/optional.js';
import { printable } from '../../common/printable.js';
import type { NewDevice } from '../registry.device.js';

export const NAME = { message: 'name must be 1-128 printable characters' };
export const TYPE = { message: 'type must be 1-128 printable characters without a comma' };

/** The form of a type of devices: lists of types are separated by commas. */
export const DEVICE_TYPE = new RegExp(`^(?!.*,)${printable(128).source.slice(1)}`, 'su');

/** Body of `POST /v1/devices`, and a line of an import. */
export class CreateDeviceDto {
  @Matches(DEVICE_ID, { message: 'id must be 1-128 of A-Z a-z 0-9 . _ : - and begin with a letter or digit' })
  readonly id!: string;

  @Optional()
  @Matches(printable(128), NAME)
  readonly name?: string;

  @Optional()
  @Matches(DEVICE_TYPE, TYPE)
  readonly type?: string;

  @Optional()
  @IsTags()
  readonly tags?: Tags;
}

/** The device that is asked for. */
export function newDevice({ id, name, type, tags }: CreateDeviceDto): NewDevice {
  return { id, name: name ?? null, type: type ?? null, tags: tags ?? {} };
}
