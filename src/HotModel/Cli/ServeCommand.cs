using System.CommandLine;
using System.Net.Sockets;
using HotModel.Llama;
using HotModel.Sessions;
using HotModel.Tls;

namespace HotModel.Cli;

/// <summary>hotmodel serve: runs the proxy until it is told to stop.</summary>
internal static class ServeCommand
{
    /// <summary>sysexits.h, EX_SOFTWARE: a bug; a supervisor starts the program again.</summary>
    private const int BrokenStatus = 70;

    public static Command Create()
    {
        var config = ConfigOption.Create();
        var command = new Command("serve", "Run the proxy.") { config };
        command.SetAction(async (parsed, _) =>
        {
            if (ConfigOption.Load(parsed, config) is not { } loaded)
                return ConfigOption.BadConfigStatus;
            var error = parsed.InvocationConfiguration.Error;
            if (Launcher.Unstartable(loaded) is { } missing)
            {
                await error.WriteLineAsync($"hotmodel cannot start: {missing}");
                return 1;
            }
            TlsCertificate? certificate = null;
            if (loaded.Server.Tls is { } files
                && !TlsCertificate.TryLoad(files, TimeProvider.System.GetUtcNow(), out certificate, out var problem))
            {
                await error.WriteLineAsync($"hotmodel cannot start: {problem}.");
                return ConfigOption.BadConfigStatus;
            }
            try
            {
                if (!StateLock.TryAcquire(loaded.Server.StateDirectory, out var held, out var taken))
                {
                    await error.WriteLineAsync(taken);
                    return 1;
                }
                using (held)
                {
                    OpenFileLimit.Raise();
                    await using var host = HotModelHost.Create(loaded, certificate);
                    return await host.RunAsync() ? 0 : BrokenStatus;
                }
            }
            catch (SocketException e)
            {
                await error.WriteLineAsync(
                    $"hotmodel cannot start: it cannot listen on {loaded.Server.Host}, port {loaded.Server.Port} "
                    + $"(server.host, server.port): {e.Message}.");
                return ConfigOption.BadConfigStatus;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                await error.WriteLineAsync($"hotmodel cannot start: {e.Message}");
                return 1;
            }
        });
        return command;
    }
}
