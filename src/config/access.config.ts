import { IsIn, IsInt, Matches, Max } from 'class-validator';
import { Secret, Setting, wholeNumber } from './setting.decorator.js';

/** Who may do what. */
export class AccessConfig {
  @Setting('ACCESS', 'auto')
  @IsIn(['auto', 'required', 'open'], { message: 'must be auto, required or open' })
  readonly access!: 'auto' | 'required' | 'open';

  @Setting('DEVICE_REGISTRATION', 'auto')
  @IsIn(['auto', 'open', 'approve', 'closed'], { message: 'must be auto, open, approve or closed' })
  readonly registration!: 'auto' | 'open' | 'approve' | 'closed';

  /** The admin key to use instead of a generated one; empty: generate one. */
  @Secret('ADMIN_KEY', '')
  @Matches(/^(sbx_[A-Za-z0-9]{16}_[A-Za-z0-9]{43})?$/, {
    message: 'must have the form sbx_<16 letters or digits>_<43 letters or digits>',
  })
  readonly adminKey!: string;

  /** Requests per minute with one key, in each process; 0 = no limit. */
  @Setting('HTTP_KEY_RATE', '6000', wholeNumber)
  @IsInt()
  @Max(100_000_000, { message: 'must be at most 100000000' })
  readonly keyRate!: number;

  /** What a broker must say to be told who may do what at `/internal/mqtt/*`; empty: these routes deny everything. */
  @Secret('MQTT_AUTH_SECRET', '')
  @Matches(/^(\S{16,512})?$/, { message: 'must have 16 to 512 characters without blanks' })
  readonly brokerSecret!: string;
}
