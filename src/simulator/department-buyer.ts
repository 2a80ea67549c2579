import { aliveInstances, BuyerMistake, findEnterprise, isWithin } from './buyer-mistake.ts'
import type { Instance } from './instance.ts'
import type { Department, Enterprise, MarketplaceState, PushAnswer } from './marketplace-state.ts'
import type { Flag, KitPush } from './push.ts'
import type { PushSender } from './push-sender.ts'

/** What the enterprise's administrator does with departments: each a singleOrgSync to every bound instance. */
export interface DepartmentBuyer {
  /** Flag 1. An empty `parentCode` makes a top department. */
  createDepartment (code: string, department: Department): Promise<PushAnswer[]>
  /** Flag 2. */
  renameDepartment (code: string, departmentCode: string, name: string): Promise<PushAnswer[]>
  /** Flag 2. */
  moveDepartment (code: string, departmentCode: string, parentCode: string): Promise<PushAnswer[]>
  /** Flag 0. Members and departments below keep its code: what the real marketplace does is not documented (sync.md §1.5). */
  deleteDepartment (code: string, departmentCode: string): Promise<PushAnswer[]>
  /** allOrgSync once more. */
  sendDepartments (code: string): Promise<PushAnswer[]>
}

interface DepartmentParts {
  readonly state: MarketplaceState
  readonly sender: PushSender
}

export function createDepartmentBuyer ({ state, sender }: DepartmentParts): DepartmentBuyer {
  async function push (enterprise: Enterprise, department: Department, flag: Flag, deed: string): Promise<PushAnswer[]> {
    const occasion = `${deed} ${department.name} (${enterprise.name})`
    return await sendToBound({ state, sender }, enterprise, (instance) => departmentPush(enterprise, instance, department, flag, occasion))
  }

  return {
    async createDepartment (code, wish) {
      const enterprise = findEnterprise(state, code)
      const department = checkDepartment(enterprise, wish)
      enterprise.departments.set(department.code, department)
      return await push(enterprise, department, 1, '新增部门 new department')
    },

    async renameDepartment (code, departmentCode, name) {
      const [enterprise, department] = findDepartment(state, code, departmentCode)
      checkName(enterprise, { ...department, name })
      department.name = name
      return await push(enterprise, department, 2, '部门更名 rename department')
    },

    async moveDepartment (code, departmentCode, parentCode) {
      const [enterprise, department] = findDepartment(state, code, departmentCode)
      checkParent(enterprise, departmentCode, parentCode)
      checkName(enterprise, { ...department, parentCode })
      department.parentCode = parentCode
      return await push(enterprise, department, 2, '部门移动 move department')
    },

    async deleteDepartment (code, departmentCode) {
      const [enterprise, department] = findDepartment(state, code, departmentCode)
      enterprise.departments.delete(departmentCode)
      return await push(enterprise, department, 0, '删除部门 delete department')
    },

    async sendDepartments (code) {
      const enterprise = findEnterprise(state, code)
      const deed = '部门全量同步 all departments'
      return await sendToBound({ state, sender }, enterprise, (instance) => departmentListPush(enterprise, instance, deed))
    },
  }
}

/** Says something to each of the enterprise's bound instances: rows are kept by instance and tenant (sync.md §1.1). */
export async function sendToBound (
  { state, sender }: DepartmentParts, enterprise: Enterprise, pushFor: (instance: Instance) => KitPush,
): Promise<PushAnswer[]> {
  const answers: PushAnswer[] = []
  for (const instance of aliveInstances(state, enterprise).filter(({ isBound }) => isBound)) {
    answers.push(await sender.send(pushFor(instance)))
  }
  return answers
}

/** allOrgSync; its example carries a flag, too (sync.md §1.1). */
export function departmentListPush (enterprise: Enterprise, { instanceId }: Instance, deed: string): KitPush {
  const { tenantId, name, isTest } = enterprise
  const departments = [...enterprise.departments.values()]
  const orgInfoList = departments.map(({ code, name, parentCode }) => ({ orgCode: code, orgName: name, parentCode }))
  const members = { instanceId, tenantId, orgInfoList }
  return { family: 'kit', name: 'allOrgSync', flag: 1, occasion: `${deed} ${name}`, isTest, members }
}

function departmentPush (
  { tenantId, isTest }: Enterprise, { instanceId }: Instance, { code, name, parentCode }: Department, flag: Flag, occasion: string,
): KitPush {
  const members = { instanceId, tenantId, orgCode: code, orgName: name, parentCode }
  return { family: 'kit', name: 'singleOrgSync', flag, occasion, isTest, members }
}

function findDepartment (state: MarketplaceState, code: string, departmentCode: string): [Enterprise, Department] {
  const enterprise = findEnterprise(state, code)
  const department = enterprise.departments.get(departmentCode)
  if (department === undefined) throw new BuyerMistake(`there is no department ${departmentCode} at ${code}`)
  return [enterprise, department]
}

function checkDepartment (enterprise: Enterprise, { code, name, parentCode }: Department): Department {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(code)) throw new BuyerMistake('the department code takes letters, digits, dot, dash and underscore')
  if (enterprise.departments.has(code)) throw new BuyerMistake(`the department ${code} exists already`)
  checkParent(enterprise, code, parentCode)
  checkName(enterprise, { code, name, parentCode })
  return { code, name, parentCode }
}

/** Unique among its level (sync.md §1.5). */
function checkName (enterprise: Enterprise, { code, name, parentCode }: Department): void {
  if (!isWithin(name, 128)) throw new BuyerMistake('the department needs a name')
  const isTaken = [...enterprise.departments.values()]
    .some((other) => other.code !== code && other.name === name && other.parentCode === parentCode)
  if (isTaken) throw new BuyerMistake(`there is a department ${name} on this level already`)
}

function checkParent ({ departments }: Enterprise, code: string, parentCode: string): void {
  if (parentCode !== '' && !departments.has(parentCode)) throw new BuyerMistake(`there is no department ${parentCode}`)
  for (let above = parentCode; above !== ''; above = departments.get(above)?.parentCode ?? '') {
    if (above === code) throw new BuyerMistake('a department cannot stand below itself')
  }
}
