using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace HotModel.Gpu;

/// <summary>The few functions of NVIDIA's management library that are used, under their native names.</summary>
/// <remarks>Loaded by hand: on a machine without the driver the library is absent, and that is no error.</remarks>
internal sealed unsafe class NvmlNative
{
    public const int Success = 0;
    public const int InsufficientSize = 7;
    /// <summary>In <see cref="ProcessInfo.UsedGpuMemory"/>: the driver does not tell.</summary>
    public const ulong NotAvailable = ulong.MaxValue;
    /// <summary>nvmlMemory_v2: the structure's size and version 2 in the top byte.</summary>
    public const uint MemoryVersion = 40 | (2u << 24);

    [StructLayout(LayoutKind.Sequential)]
    public struct Memory
    {
        public uint Version;
        public ulong Total;
        public ulong Reserved;
        public ulong Free;
        public ulong Used;
    }

    /// <summary>nvmlProcessInfo_v2_t, which the _v3 calls fill.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ProcessInfo
    {
        public uint Pid;
        public ulong UsedGpuMemory;
        public uint GpuInstanceId;
        public uint ComputeInstanceId;
    }

    public readonly delegate* unmanaged<int> nvmlInit_v2;
    public readonly delegate* unmanaged<int> nvmlShutdown;
    public readonly delegate* unmanaged<uint*, int> nvmlDeviceGetCount_v2;
    public readonly delegate* unmanaged<uint, nint*, int> nvmlDeviceGetHandleByIndex_v2;
    public readonly delegate* unmanaged<nint, Memory*, int> nvmlDeviceGetMemoryInfo_v2;
    /// <summary>Null in a library that lacks it: devices then go by their index.</summary>
    public readonly delegate* unmanaged<nint, byte*, uint, int> nvmlDeviceGetUUID;
    public readonly delegate* unmanaged<nint, byte*, uint, int> nvmlDeviceGetName;
    /// <summary>Null in a driver older than 2021; then there are no figures by process.</summary>
    public readonly delegate* unmanaged<nint, uint*, ProcessInfo*, int> nvmlDeviceGetComputeRunningProcesses_v3;
    public readonly delegate* unmanaged<nint, uint*, ProcessInfo*, int> nvmlDeviceGetGraphicsRunningProcesses_v3;

    static NvmlNative()
    {
        // The library checks the version word, not what we think the layout is.
        if (Unsafe.SizeOf<Memory>() != 40 || Unsafe.SizeOf<ProcessInfo>() != 24)
            throw new InvalidOperationException("NVML structures have the wrong size");
    }

    private NvmlNative(nint library)
    {
        nvmlInit_v2 = (delegate* unmanaged<int>)Export(library, nameof(nvmlInit_v2));
        nvmlShutdown = (delegate* unmanaged<int>)Export(library, nameof(nvmlShutdown));
        nvmlDeviceGetCount_v2 = (delegate* unmanaged<uint*, int>)Export(library, nameof(nvmlDeviceGetCount_v2));
        nvmlDeviceGetHandleByIndex_v2 =
            (delegate* unmanaged<uint, nint*, int>)Export(library, nameof(nvmlDeviceGetHandleByIndex_v2));
        nvmlDeviceGetMemoryInfo_v2 =
            (delegate* unmanaged<nint, Memory*, int>)Export(library, nameof(nvmlDeviceGetMemoryInfo_v2));
        nvmlDeviceGetUUID = (delegate* unmanaged<nint, byte*, uint, int>)Export(library, nameof(nvmlDeviceGetUUID));
        nvmlDeviceGetName = (delegate* unmanaged<nint, byte*, uint, int>)Export(library, nameof(nvmlDeviceGetName));
        nvmlDeviceGetComputeRunningProcesses_v3 = (delegate* unmanaged<nint, uint*, ProcessInfo*, int>)
            Export(library, nameof(nvmlDeviceGetComputeRunningProcesses_v3));
        nvmlDeviceGetGraphicsRunningProcesses_v3 = (delegate* unmanaged<nint, uint*, ProcessInfo*, int>)
            Export(library, nameof(nvmlDeviceGetGraphicsRunningProcesses_v3));
    }

    private bool IsComplete =>
        nvmlInit_v2 != null && nvmlShutdown != null && nvmlDeviceGetCount_v2 != null
        && nvmlDeviceGetHandleByIndex_v2 != null && nvmlDeviceGetMemoryInfo_v2 != null;

    /// <summary>Null where the library is absent or too old. Never unloaded: NVML keeps threads of its own.</summary>
    public static NvmlNative? TryLoad(string path)
    {
        if (!NativeLibrary.TryLoad(path, out var library))
            return null;
        var native = new NvmlNative(library);
        return native.IsComplete ? native : null;
    }

    private static nint Export(nint library, string name) =>
        NativeLibrary.TryGetExport(library, name, out var address) ? address : 0;
}
