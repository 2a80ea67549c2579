import { z } from 'zod'
import type { DepartmentsPush, PushedDepartment } from '../../directory/push-message.ts'
import type { KitInterface } from './kit-interface.ts'
import { changedDepartment, departmentCode, toDepartment, wholeDepartment } from './wire-department.ts'
import { flag, foreign, head, illegal } from './wire-members.ts'

const keys = z.object({ ...head, orgCode: departmentCode, flag: flag(0, 1, 2), ...foreign('appId', 'userList', 'orgInfoList') })

/** 组织部门信息同步 增量: one department of a tenant (sync.md §1.5). */
export const singleOrgSync: KitInterface = {
  name: 'singleOrgSync',
  async read (body) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { flag: change, testFlag: realm, timeStamp: version, tenantId, instanceId, orgCode } = read.data
    const message = (department: PushedDepartment): DepartmentsPush =>
      ({ kind: 'departments', change, realm, version, tenantId, instanceId, departments: [department] })
    if (change === 'delete') return { kind: 'message', push: message({ code: orgCode }) }
    const department = (change === 'add' ? wholeDepartment : changedDepartment).safeParse(body)
    return department.success ? { kind: 'message', push: message(toDepartment(department.data)) } : illegal(department.error)
  },
}
