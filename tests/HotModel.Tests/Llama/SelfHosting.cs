using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using HotModel.Llama;

namespace HotModel.Tests.Llama;

/// <summary>
/// Lets the test program stand in for hotmodel where the product runs itself again: the launcher, the guard, and a host
/// that is there to be killed.
/// </summary>
internal static class SelfHosting
{
    public const string HostCommand = "__host";

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "It must come before the test runner's own Main.")]
    internal static void Initialize()
    {
        var args = Environment.GetCommandLineArgs()[1..];
        int? status = args switch
        {
            [LaunchCommand.Name, ..] => LaunchCommand.Run(args),
            [GuardCommand.Name] => GuardCommand.Run(),
            [HostCommand, ..] => KilledHost.Run(args),
            _ => null,
        };
        if (status is { } code)
            Environment.Exit(code);
    }

    /// <summary>The test program's own executable, also where "dotnet" runs its library.</summary>
    public static SelfExecutable Self { get; } =
        new(Path.ChangeExtension(typeof(SelfHosting).Assembly.Location, null));
}
