import { driver } from '../guard/drivers.ts'
import { describeFaults } from './fault-suite.ts'

describeFaults(driver(6, 6))
