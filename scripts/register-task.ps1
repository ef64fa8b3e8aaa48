# Registers HotModel with Windows' Task Scheduler: it starts when you log on, and again when it has crashed.
#
#   scripts\register-task.ps1 -Config C:\hotmodel\hotmodel.toml [-Program C:\hotmodel\hotmodel.exe] [-Name HotModel]
#   scripts\register-task.ps1 -Remove [-Name HotModel]
#
# Not tested: written for Windows.
param(
    [string]$Config,
    [string]$Program = (Join-Path (Split-Path $PSScriptRoot) 'dist\hotmodel.exe'),
    [string]$Name = 'HotModel',
    [switch]$Remove
)
$ErrorActionPreference = 'Stop'
if ($Remove) {
    Stop-ScheduledTask -TaskName $Name
    Unregister-ScheduledTask -TaskName $Name -Confirm:$false
    return
}
if (-not $Config) { throw 'Give the configuration: -Config C:\hotmodel\hotmodel.toml' }
$Config = (Resolve-Path $Config).Path
$Program = (Resolve-Path $Program).Path
# Before anything is registered: a wrong file says so here and not at the next logon.
& $Program check --config $Config | Out-Null
if ($LASTEXITCODE) { throw "$Config is not right" }

$action = New-ScheduledTaskAction -Execute $Program -Argument "serve --config `"$Config`"" -WorkingDirectory (Split-Path $Config)
$trigger = New-ScheduledTaskTrigger -AtLogOn -User $env:USERNAME
# Without a limit of time, also on batteries, and no second one beside it.
$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit 0 -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries `
    -MultipleInstances IgnoreNew -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1)
Register-ScheduledTask -TaskName $Name -Action $action -Trigger $trigger -Settings $settings -Force | Out-Null
Start-ScheduledTask -TaskName $Name
Write-Host "$Name runs. Stop it with: Stop-ScheduledTask -TaskName $Name"
