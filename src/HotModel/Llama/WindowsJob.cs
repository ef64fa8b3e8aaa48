using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace HotModel.Llama;

/// <summary>
/// Windows: everything this program starts ends with it, at the latest when its last handle is closed.
/// </summary>
/// <remarks>
/// The program puts *itself* into the job: its children are then born in it, and there is no moment at which a child
/// runs
/// outside, as there is when a child is assigned after its start. The handle is never closed by us and never inherited.
/// </remarks>
[SupportedOSPlatform("windows")]
internal static partial class WindowsJob
{
    private const int JobObjectExtendedLimitInformation = 9;
    private const uint JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x2000;
    private static readonly Lazy<bool> Entered = new(Create);

    /// <summary>False where the system refuses; then only an orderly end stops the children.</summary>
    public static bool Enter() => Entered.Value;

    private static unsafe bool Create()
    {
        var job = CreateJobObjectW(0, 0);
        if (job == 0)
            return false;
        var limits = new ExtendedLimits { LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE };
        return SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, (uint)sizeof(ExtendedLimits))
            && AssignProcessToJobObject(job, GetCurrentProcess());
    }

    // JOBOBJECT_EXTENDED_LIMIT_INFORMATION: 144 bytes in a 64-bit process; the two time limits come before the flags.
    [StructLayout(LayoutKind.Sequential)]
    private struct ExtendedLimits
    {
        public long PerProcessUserTimeLimit;
        public long PerJobUserTimeLimit;
        public uint LimitFlags;
        public nuint MinimumWorkingSetSize;
        public nuint MaximumWorkingSetSize;
        public uint ActiveProcessLimit;
        public nuint Affinity;
        public uint PriorityClass;
        public uint SchedulingClass;
        public ulong ReadOperationCount;
        public ulong WriteOperationCount;
        public ulong OtherOperationCount;
        public ulong ReadTransferCount;
        public ulong WriteTransferCount;
        public ulong OtherTransferCount;
        public nuint ProcessMemoryLimit;
        public nuint JobMemoryLimit;
        public nuint PeakProcessMemoryUsed;
        public nuint PeakJobMemoryUsed;
    }

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint CreateJobObjectW(nint attributes, nint name);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static unsafe partial bool SetInformationJobObject(nint job, int kind, void* information, uint length);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool AssignProcessToJobObject(nint job, nint process);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial nint GetCurrentProcess();
}
