import { IsIn } from 'class-validator';
import { Setting } from './setting.decorator.js';

/** Who may do what. In this version only open mode exists: every listener on loopback, no keys. */
export class AccessConfig {
  @Setting('ACCESS', 'auto')
  @IsIn(['auto', 'open'], {
    message: 'must be auto or open: access keys are not part of this version, so it runs on loopback only',
  })
  readonly access!: 'auto' | 'open';

  @Setting('DEVICE_REGISTRATION', 'auto')
  @IsIn(['auto', 'open'], { message: 'must be auto or open: approve and closed are not part of this version' })
  readonly registration!: 'auto' | 'open';
}
