# A conversation that goes on under another model, on Windows. Needs the .NET SDK with the C++ build tools (for the
# native linker) and llama-server.exe on PATH or in $env:HOTMODEL_LLAMA_SERVER.
#
#   scripts\quickstart.ps1 [-Models DIR]
#
# Not tested: written for Windows after quickstart.sh, which is.
param([string]$Models)
$ErrorActionPreference = 'Stop'
Set-Location (Split-Path $PSScriptRoot)

function Say($text) { Write-Host "`n$text" -ForegroundColor Cyan }
function FreePort {
    $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
    $listener.Start(); $port = $listener.LocalEndpoint.Port; $listener.Stop()
    $port
}

$work = Join-Path $PWD '.quickstart'
New-Item -ItemType Directory -Force $work, "$work\models" | Out-Null
Remove-Item -Recurse -Force "$work\.hotmodel" -ErrorAction Ignore

Say '1. Build the one executable'
dotnet publish src\HotModel -c Release -o dist --nologo
if ($LASTEXITCODE) { throw 'the build failed' }
$hotmodel = Join-Path $PWD 'dist\hotmodel.exe'

Say '2. Find llama-server, which does the inference'
$llama = if ($env:HOTMODEL_LLAMA_SERVER) { $env:HOTMODEL_LLAMA_SERVER } else { (Get-Command llama-server).Source }
Write-Host "    $llama"

Say '3. Two models'
if ($Models) {
    $files = @(Get-ChildItem $Models -Filter *.gguf | Sort-Object Name | Select-Object -First 2)
    if ($files.Count -lt 2) { throw "$Models holds fewer than two .gguf files" }
} else {
    $seed = 0
    $files = foreach ($name in 'alder', 'birch') {
        $seed++
        $file = "$work\models\$name.gguf"
        if (-not (Test-Path $file)) {
            dotnet run --project tests\TinyGguf -c Release -- $file --seed $seed --layers 8 --embd 512 --ff 1536 --heads 8 --name $name
        }
        Get-Item $file
    }
}
$first = $files[0].BaseName; $second = $files[1].BaseName
$port = FreePort
$config = "$work\hotmodel.toml"
@"
[server]
port = $port
active_model = '$first'

[preset]
system_prompt = "You are a helpful assistant."

[llama]
binary = '$llama'

[snapshots]
min_tokens = 64                     # 512 if not given: the conversation here is a short one

[router]
port = $(FreePort)

[models.'$first']
path = '$($files[0].FullName)'
ctx_size = 4096

[models.'$second']
path = '$($files[1].FullName)'
ctx_size = 4096
"@ | Set-Content -Encoding utf8 $config

$url = "http://127.0.0.1:$port"
$headers = @{ 'X-HotModel-Session' = 'quickstart' }
function Ask($text, $tokens) {
    $body = @{ model = 'any'; max_tokens = $tokens; messages = @(@{ role = 'user'; content = $text }) } | ConvertTo-Json -Depth 4
    $answer = Invoke-RestMethod "$url/v1/chat/completions" -Method Post -ContentType 'application/json' -Headers $headers -Body $body
    Write-Host "    $($answer.hotmodel.active_model): $($answer.choices[0].message.content)"
}

$serve = $null
try {
    Say "4. Start hotmodel: it starts llama-server and loads $first"
    $serve = Start-Process $hotmodel 'serve', '--config', "`"$config`"" -PassThru -NoNewWindow -RedirectStandardError "$work\serve.log"
    $deadline = (Get-Date).AddMinutes(5)
    while ($true) {
        try { if ((Invoke-RestMethod "$url/health").phase -eq 'ready') { break } } catch { }
        if ($serve.HasExited -or (Get-Date) -gt $deadline) { Get-Content "$work\serve.log" -Tail 20; throw 'hotmodel did not start' }
        Start-Sleep -Milliseconds 100
    }

    Say "5. Talk to $first, as any OpenAI client does; the header names the conversation"
    Ask 'Good morning' 16

    Say "6. Ask for a long answer, and switch to $second in the middle of it"
    $story = Start-Job -ArgumentList $url {
        param($url)
        $body = '{"model":"active","stream":true,"max_tokens":400,"messages":[{"role":"user","content":"Tell me a long story"}]}'
        $body | curl.exe -sN "$url/v1/chat/completions" -H 'Content-Type: application/json' -H 'X-HotModel-Session: quickstart' -d '@-'
    }
    Start-Sleep -Milliseconds 500
    & $hotmodel switch $second --config $config
    $lines = Receive-Job $story -Wait -AutoRemoveJob
    if ($lines -notcontains 'data: [DONE]') { throw 'the stream was cut' }
    Write-Host "    The answer went on to its end: $(@($lines -match '"content":"').Count) pieces, then [DONE]"

    Say "7. The same conversation goes on under $second"
    Ask 'And then?' 40
    & $hotmodel sessions show quickstart --config $config
}
finally {
    Say '8. Stop'
    if ($serve -and -not $serve.HasExited) { Stop-Process -Id $serve.Id; $serve.WaitForExit(10000) | Out-Null }
}
