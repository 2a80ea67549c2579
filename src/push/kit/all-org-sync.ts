import { z } from 'zod'
import type { DepartmentsPush } from '../../directory/push-message.ts'
import type { KitInterface } from './kit-interface.ts'
import { readListText } from './list-text.ts'
import { readUnquotedList } from './unquoted-list.ts'
import { toDepartment, wholeDepartment } from './wire-department.ts'
import { readWireList } from './wire-list.ts'
import { foreign, head, illegal } from './wire-members.ts'

// No flag: the tables have none, and what the printed examples have in its place says nothing (sync.md §1.1).
const keys = z.object({ ...head, orgInfoList: z.unknown(), ...foreign('appId', 'userList', 'orgCode') })

/** 组织部门信息同步 全量: all departments of a tenant (sync.md §1.6). */
export const allOrgSync: KitInterface = {
  name: 'allOrgSync',
  async read (body) {
    const read = keys.safeParse(body)
    if (!read.success) return illegal(read.error)
    const { orgInfoList, testFlag: realm, timeStamp: version, tenantId, instanceId } = read.data
    const list = typeof orgInfoList === 'string' ? await readListText(orgInfoList) ?? await readUnquotedList(orgInfoList) : orgInfoList
    const departments = await readWireList(list, { member: 'orgInfoList', element: wholeDepartment, toItem: toDepartment })
    if (departments.kind === 'illegal') return departments
    const push: DepartmentsPush = {
      kind: 'departments', change: 'replace', realm, version, tenantId, instanceId, departments: departments.items,
    }
    return { kind: 'message', push }
  },
}
